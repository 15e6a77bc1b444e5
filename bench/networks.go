package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/engine"
)

const manyNetworks = 40

// networks is (d): through the engine itself, each with its core, since that is what a deployment's
// network costs whatever runs in it.
func (b *bench) networks(ctx context.Context) (rows []row, err error) {
	server := "bench-" + string(berth.NewID())
	e, err := dockerEngine(server, b)
	if err != nil {
		return nil, err
	}
	if err := e.Open(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	var ids []berth.ID
	defer func() { err = errors.Join(err, removeAll(e, ids)) }()
	began := time.Now()
	for range manyNetworks {
		id := berth.NewID()
		ids = append(ids, id)
		limits, _ := berth.LimitsOf(berth.DefaultSize)
		if _, err := e.Sync(ctx, engine.Workload{Deployment: id, Slug: string(id), Kind: berth.KindBuild, Limits: limits}); err != nil {
			return nil, fmt.Errorf("network %d: %w", len(ids), err)
		}
	}
	made := time.Since(began)
	there, err := b.bridges(ctx, server)
	if err != nil {
		return nil, err
	}
	began = time.Now()
	if err := removeAll(e, ids); err != nil {
		return nil, err
	}
	left, err := b.bridges(ctx, server)
	if err != nil {
		return nil, err
	}
	return []row{{what: fmt.Sprintf("deployments' networks, with core, at once on one machine (made in %s, removed in %s, %d left)", seconds(made), seconds(time.Since(began)), left),
		value: fmt.Sprint(there), goal: fmt.Sprintf("%d, none left", manyNetworks), met: there == manyNetworks && left == 0}}, nil
}

func dockerEngine(server string, b *bench) (*docker.Engine, error) {
	return docker.New(docker.Config{RunDir: filepath.Join(b.dir, "networks"), AgentPath: filepath.Join(b.bin, "berth-agent"), ServerID: server})
}

func removeAll(e *docker.Engine, ids []berth.ID) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, id := range ids {
		if err := until(ctx, 200*time.Millisecond, func() (bool, error) { return e.Remove(ctx, id) }); err != nil {
			return fmt.Errorf("remove network of %s: %w", id, err)
		}
	}
	return nil
}

// bridges counts the server's networks that Docker has and the kernel too.
func (b *bench) bridges(ctx context.Context, server string) (n int, err error) {
	var list []struct {
		Options map[string]string
	}
	if err := b.docker.call(ctx, "GET", "/networks?"+labelled(labelServer+"="+server), nil, &list); err != nil {
		return 0, err
	}
	for _, network := range list {
		name := network.Options["com.docker.network.bridge.name"]
		if i, err := net.InterfaceByName(name); err == nil && strings.HasPrefix(i.Name, "brt") {
			n++
		}
	}
	return n, nil
}
