package docker

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// stop ends an instance in the background: it may take as long as its grace period. A server that is
// killed meanwhile begins again, which harms nothing.
func (e *Engine) stop(p *observedPod) {
	e.mu.Lock()
	m := e.memory(p.Deployment)
	if m.stopping[p.ID] || e.ctx.Err() != nil {
		e.mu.Unlock()
		return
	}
	m.stopping[p.ID] = true
	e.mu.Unlock()
	e.background(func(ctx context.Context) {
		e.stopContainers(ctx, p)
		e.mu.Lock()
		delete(m.stopping, p.ID)
		e.mu.Unlock()
		e.hints.send(p.Deployment)
	})
}

func (e *Engine) isStopping(id berth.ID, instance string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.deployments[id]
	return m != nil && m.stopping[instance]
}

// stopContainers asks all containers to end at once, as Kubernetes does; each preStop command counts
// against the grace period.
func (e *Engine) stopContainers(ctx context.Context, p *observedPod) {
	var all sync.WaitGroup
	for i, c := range p.Containers {
		all.Go(func() {
			grace := p.Record.Grace
			if before := p.Record.PreStop[i]; len(before) > 0 && c.running() {
				grace -= e.preStop(ctx, p, c, before)
			}
			if err := e.endContainer(ctx, c, max(grace, time.Second)); err != nil && ctx.Err() == nil {
				e.log.Error("stop container", "container", c.Name, "error", err)
			}
		})
	}
	all.Wait()
}

// endContainer stops a container. One that never ran cannot be stopped, only removed: then the instance is
// found broken and goes.
func (e *Engine) endContainer(ctx context.Context, c containerState, grace time.Duration) error {
	switch {
	case c.running():
		return e.docker.stop(ctx, c.ID, grace)
	case c.ended():
		return nil
	}
	return e.docker.remove(ctx, c.ID)
}

// preStop runs a container's command of that name and returns the time it took.
func (e *Engine) preStop(ctx context.Context, p *observedPod, c containerState, before command) time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.Record.Grace)
	defer cancel()
	revealed, err := revealAll(before, e.revealer(ctx))
	if err == nil {
		_, err = e.Exec(ctx, engine.ExecSpec{Instance: p.ID, Container: c.Labels[labelContainer], Command: revealed})
	}
	if err != nil {
		e.log.Warn("preStop command", "container", c.Name, "error", err)
	}
	return time.Since(began)
}

func byIdentity(a, b engine.Instance) int {
	return cmp.Or(
		cmp.Compare(a.Element, b.Element), cmp.Compare(a.Workload, b.Workload),
		cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Run, b.Run), cmp.Compare(a.ID, b.ID),
	)
}
