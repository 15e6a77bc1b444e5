package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/client"
)

// Kinds of what an engine holds.
const (
	KindContainer = "container"
	KindNetwork   = "network"
	KindImage     = "image"
)

// Thing is something that the engine holds, whoever made it. An image is one thing under each of its names.
type Thing struct {
	Kind   string
	ID     string
	Name   string
	Bytes  int64
	Labels map[string]string
	// Server is the id of the Berth server that made it: of containers and networks, which say so themselves.
	// An image's labels are inherited by whatever is built on it.
	Server string
}

// Inventory lists everything that the engine holds. Sizes of images count what they share with others.
func (e *Engine) Inventory(ctx context.Context) (all []Thing, err error) {
	for _, list := range []func(context.Context) ([]Thing, error){e.docker.allContainers, e.docker.allNetworks, e.docker.allImages} {
		some, err := list(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// makerOf is the server that made something, which also carries a role; nothing inherits that.
func makerOf(labels map[string]string) string {
	if labels[labelRole] == "" {
		return ""
	}
	return labels[labelServer]
}

func (a *adapter) allContainers(ctx context.Context) (all []Thing, err error) {
	list, err := a.client.ContainerList(ctx, client.ContainerListOptions{All: true, Size: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	for _, c := range list.Items {
		t := Thing{Kind: KindContainer, ID: c.ID, Name: c.ID[:12], Bytes: c.SizeRw, Labels: c.Labels, Server: makerOf(c.Labels)}
		if len(c.Names) > 0 {
			t.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		all = append(all, t)
	}
	return all, nil
}

func (a *adapter) allNetworks(ctx context.Context) (all []Thing, err error) {
	list, err := a.client.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range list.Items {
		all = append(all, Thing{Kind: KindNetwork, ID: n.ID, Name: n.Name, Labels: n.Labels, Server: makerOf(n.Labels)})
	}
	return all, nil
}

func (a *adapter) allImages(ctx context.Context) (all []Thing, err error) {
	list, err := a.client.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	for _, i := range list.Items {
		for _, name := range i.RepoTags {
			all = append(all, Thing{Kind: KindImage, ID: i.ID, Name: name, Bytes: i.Size, Labels: i.Labels})
		}
	}
	return all, nil
}

// OpenToRemove makes the engine ready for Inventory, Deployments and Remove, and changes nothing. It is for
// an engine that will run nothing any more.
func (e *Engine) OpenToRemove(ctx context.Context) (err error) {
	if err := e.docker.checkVersion(ctx); err != nil {
		return err
	}
	e.cgroups, err = openCgroups(ctx, e.docker)
	return err
}
