package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// haltGrace is how long an instance that has to end at once has to put its house in order: it writes on
// meanwhile.
const haltGrace = 2 * time.Second

// Layers lists where running instances write: their containers' layers, and the directories that live as long
// as they do. It does not ask Docker: what it said of them last stands.
func (e *Engine) Layers() []engine.Layer {
	out := e.docker.layers()
	instances := map[string]engine.Layer{}
	for _, l := range out {
		instances[l.Instance] = l
	}
	for _, l := range instances {
		at := filepath.Join(e.instancesDir(l.Deployment), l.Instance)
		entries, _ := os.ReadDir(at) // it has ended meanwhile, or has none
		for _, d := range entries {
			if d.IsDir() && d.Name() != pinsDir {
				l.Path = filepath.Join(at, d.Name())
				out = append(out, l)
			}
		}
	}
	return out
}

// layers lists those of running containers.
func (a *adapter) layers() (out []engine.Layer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.known {
		role := c.Labels[labelRole]
		if c.Layer == "" || !c.running() || role != roleInit && role != roleMain {
			continue
		}
		out = append(out, engine.Layer{
			Deployment: berth.ID(c.Labels[labelDeployment]), Element: c.Labels[labelElement],
			Instance: c.Labels[labelInstance], Path: c.Layer,
		})
	}
	return out
}

// Halt ends an instance in the background, as stop does, and remembers why.
func (e *Engine) Halt(ctx context.Context, instance, reason, message string) error {
	p, err := e.findInstance(ctx, instance)
	if err != nil {
		return fmt.Errorf("find instance: %w", err)
	}
	e.mu.Lock()
	e.memory(p.Deployment).halted[p.ID] = cause{reason, message}
	e.mu.Unlock()
	p.Record.Grace = min(p.Record.Grace, haltGrace)
	e.stop(p)
	return nil
}

// halted says why an element may run nothing for now; empty: it may.
func (t *turn) halted(element string) string {
	for _, e := range t.workload.Elements {
		if e.Identifier == element {
			return e.Halted
		}
	}
	return ""
}

// noteHalt remembers why an instance is being ended, if for a reason of ours.
func (e *Engine) noteHalt(id berth.ID, instance, message string) {
	if message == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory(id).halted[instance] = cause{engine.DiskLimit, message}
}

// explainHalt gives an instance that was ended for a reason of ours that reason, in place of its exit code.
func (e *Engine) explainHalt(id berth.ID, i engine.Instance) engine.Instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	if why, halted := e.memory(id).halted[i.ID]; halted {
		i.Reason, i.Message = why.Reason, why.Message
	}
	return i
}

// forgetHalts drops what is remembered of instances that exist no more.
func (e *Engine) forgetHalts(id berth.ID, exist map[string]engine.Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for instance := range e.memory(id).halted {
		if _, exists := exist[instance]; !exists {
			delete(e.memory(id).halted, instance)
		}
	}
}
