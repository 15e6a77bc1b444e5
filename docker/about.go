package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// About is what a Docker Engine says of itself.
type About struct {
	Version       string
	API           string
	TooOld        bool // for Berth
	Rootless      bool
	StorageDriver string
	CgroupDriver  string
	Root          string         // its data directory
	Published     map[int]string // ports of the machine that containers have, by container name
}

// Ask asks the engine at a socket about itself. EUnavailable means that it does not answer.
func Ask(ctx context.Context, socket string) (About, error) {
	a, err := newAdapter(socket, "")
	if err != nil {
		return About{}, err
	}
	defer func() { _ = a.close() }()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ping, err := a.client.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return About{}, fmt.Errorf("ask Docker Engine for its version: %w", err)
	}
	about := About{API: ping.APIVersion, TooOld: olderAPI(ping.APIVersion, minAPI)}
	info, err := a.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return About{}, fmt.Errorf("ask Docker about itself: %w", err)
	}
	about.Version, about.StorageDriver, about.Root = info.Info.ServerVersion, info.Info.Driver, info.Info.DockerRootDir
	about.CgroupDriver = info.Info.CgroupDriver
	about.Rootless = slices.ContainsFunc(info.Info.SecurityOptions, func(o string) bool { return strings.Contains(o, "name=rootless") })
	about.Published, err = a.published(ctx)
	return about, err
}

func (a *adapter) published(ctx context.Context) (map[int]string, error) {
	list, err := a.client.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	ports := map[int]string{}
	for _, c := range list.Items {
		for _, p := range c.Ports {
			if p.PublicPort != 0 && p.Type == "tcp" && len(c.Names) > 0 {
				ports[int(p.PublicPort)] = strings.TrimPrefix(c.Names[0], "/")
			}
		}
	}
	return ports, nil
}
