package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/berth-dev/berth"
	"golang.org/x/sync/errgroup"
)

// Remove takes one step toward nothing being left of the deployment. Only what carries this server's
// labels is touched. See engine.Engine.
func (e *Engine) Remove(ctx context.Context, deployment berth.ID) (gone bool, err error) {
	if err := validID(deployment); err != nil {
		return false, err
	}
	e.prober.follow(deployment, nil)
	e.rememberEndpoints(deployment, nil)
	containers, err := e.docker.containers(ctx, labelDeployment, string(deployment))
	if err != nil {
		return false, err
	}
	if err := e.removeContainers(ctx, containers); err != nil {
		return false, err
	}
	if len(containers) > 0 {
		left, err := e.docker.containers(ctx, labelDeployment, string(deployment))
		if err != nil || len(left) > 0 {
			return false, err
		}
	}
	networks, err := e.docker.networks(ctx, labelDeployment, string(deployment))
	if err != nil {
		return false, err
	}
	for _, n := range networks {
		if err := e.docker.removeNetwork(ctx, n.ID); err != nil {
			return false, err
		}
	}
	if err := e.removeImagesOf(ctx, deployment); err != nil {
		return false, err
	}
	switch err := e.cgroups.remove(ctx, deployment); {
	case errors.Is(err, syscall.EBUSY):
		return false, nil // the last process is still on its way out
	case err != nil:
		return false, err
	}
	if err := e.removeInstanceDirs(deployment); err != nil {
		return false, err
	}
	if err := os.RemoveAll(e.deploymentDir(deployment)); err != nil {
		return false, fmt.Errorf("remove run directory: %w", err)
	}
	e.forget(deployment)
	return true, nil
}

// removeContainers kills and removes: what is deleted needs no grace. core goes last, so that a removal
// that was cut short leaves names working.
func (e *Engine) removeContainers(ctx context.Context, containers []containerState) error {
	isCore := func(c containerState) bool { return c.Labels[labelRole] == roleCore }
	for _, batch := range [][]containerState{
		slices.DeleteFunc(slices.Clone(containers), isCore),
		slices.DeleteFunc(slices.Clone(containers), func(c containerState) bool { return !isCore(c) }),
	} {
		var g errgroup.Group
		g.SetLimit(atOnce)
		for _, c := range batch {
			g.Go(func() error { return e.docker.remove(ctx, c.ID) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what is remembered of a deployment that has gone.
func (e *Engine) forget(id berth.ID) {
	e.docker.keepOnly(id, nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.deployments[id]; m != nil && len(m.stopping) == 0 {
		delete(e.deployments, id)
	}
}

// Deployments lists those that have a container, a network, an image or run files here.
func (e *Engine) Deployments(ctx context.Context) ([]berth.ID, error) {
	found := map[string]bool{}
	containers, err := e.docker.containers(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		found[c.Labels[labelDeployment]] = true
	}
	networks, err := e.docker.networks(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		found[n.Labels[labelDeployment]] = true
	}
	images, err := e.labelledImages(ctx, e.docker.labelled().Add("label", labelDeployment))
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		found[i.Labels[labelDeployment]] = true
	}
	dirs, err := os.ReadDir(e.config.RunDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read run directory: %w", err)
	}
	for _, d := range dirs {
		if d.IsDir() {
			found[d.Name()] = true
		}
	}
	var out []berth.ID
	for _, id := range sortedKeys(found) {
		if validID(berth.ID(id)) == nil {
			out = append(out, berth.ID(id))
		}
	}
	return out, nil
}
