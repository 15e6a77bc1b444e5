package fake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/plan"
)

// Sync implements engine.Engine.
func (e *Engine) Sync(ctx context.Context, w engine.Workload) (engine.Observation, error) {
	ds, err := demands(w)
	if err != nil {
		return engine.Observation{}, err
	}
	if err := e.prepare(ctx, w.Deployment); err != nil {
		return engine.Observation{}, err
	}
	e.probe(ctx, w.Deployment)
	decision := plan.Next(wantedOf(ds), e.observe(w), e.cfg.Backoff, e.cfg.Now())
	started, err := e.startCreated(ctx, w)
	if err != nil {
		return engine.Observation{}, err
	}
	for _, op := range decision.Operations {
		if err := e.apply(ctx, w.Deployment, ds, op); err != nil {
			return engine.Observation{}, fmt.Errorf("%s %s: %w", op.Action, op.Key, err)
		}
	}
	return e.observation(w, ds, decision, started), nil
}

// prepare makes network and core, which every instance needs.
func (e *Engine) prepare(ctx context.Context, id berth.ID) error {
	var d deployment
	e.machine.change(func() { d = *e.machine.of(id) })
	if !d.network {
		if err := e.at(ctx, NetworkCreate, func() { e.machine.of(id).network = true }); err != nil {
			return fmt.Errorf("create network: %w", err)
		}
	}
	if !d.core {
		if err := e.at(ctx, CoreCreate, func() { e.machine.of(id).core = true }); err != nil {
			return fmt.Errorf("create core: %w", err)
		}
	}
	return nil
}

func wantedOf(ds []demand) []plan.Wanted {
	var out []plan.Wanted
	for _, d := range ds {
		out = append(out, d.Wanted)
	}
	return out
}

// probe runs the command probes of what runs and is not ready by its script alone.
func (e *Engine) probe(ctx context.Context, id berth.ID) {
	if e.cfg.Exec == nil {
		return
	}
	for _, i := range e.list(id) {
		if i.State != berth.InstanceRunning {
			continue
		}
		ok := true
		for container, command := range i.pod.commands() {
			code, err := e.cfg.Exec(ctx, engine.ExecSpec{Instance: i.ID, Container: container, Command: command})
			ok = ok && err == nil && code == 0
		}
		e.machine.change(func() {
			if _, now := e.machine.find(i.ID); now != nil {
				now.unhealthy = !ok
			}
		})
	}
}

// list returns copies of a deployment's instances as they are now.
func (e *Engine) list(id berth.ID) []instance {
	var out []instance
	now := e.cfg.Now()
	e.machine.change(func() {
		d := e.machine.deployments[id]
		if d == nil {
			return
		}
		for _, i := range d.instances {
			i.advance(now, e.cfg)
			out = append(out, *i)
		}
	})
	slices.SortFunc(out, func(a, b instance) int {
		return cmp.Or(cmp.Compare(a.key(), b.key()), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Run, b.Run))
	})
	return out
}

func (i *instance) key() string { return i.Element + "/" + i.Workload }

func (e *Engine) observe(w engine.Workload) []plan.Observed {
	var out []plan.Observed
	for _, i := range e.list(w.Deployment) {
		out = append(out, plan.Observed{
			ID: i.ID, Key: i.key(), Hash: i.Hash, Slot: i.Slot, Run: i.Run,
			State: plan.State(i.State), Ready: i.Ready,
			Success: i.State == berth.InstanceExited && i.ExitCode == 0 && !i.StartedAt.IsZero(),
			Since:   i.since, Started: i.StartedAt, Failures: i.failures,
			Drained: w.Drained == nil || w.Drained(i.ID),
		})
	}
	return out
}

// startCreated starts what was created and not started: by this server a step ago, or by one that died.
func (e *Engine) startCreated(ctx context.Context, w engine.Workload) (started bool, err error) {
	for _, i := range e.list(w.Deployment) {
		if i.begun || w.Stopped || i.State != berth.InstancePreparing {
			continue
		}
		if err := e.start(ctx, w.Deployment, i.ID); err != nil {
			return true, fmt.Errorf("start %s: %w", i.key(), err)
		}
		started = true
	}
	return started, nil
}

func (e *Engine) start(ctx context.Context, id berth.ID, instance string) error {
	var logged error
	err := e.at(ctx, InstanceStart, func() {
		_, i := e.machine.find(instance)
		if i == nil || i.begun {
			return
		}
		d := e.machine.of(id)
		d.addresses++
		i.begun, i.begunAt = true, e.cfg.Now()
		i.Address = d.address(d.addresses + 2)
		logged = e.writeLogs(i)
		e.machine.hint(id)
	})
	return cmp.Or(err, logged)
}

func (d *deployment) address(host int) string {
	return fmt.Sprintf("10.%d.%d.%d", d.number%250, host/250, host%250)
}

func (e *Engine) apply(ctx context.Context, id berth.ID, ds []demand, op plan.Operation) error {
	switch op.Action {
	case plan.Start:
		i := slices.IndexFunc(ds, func(d demand) bool { return d.Key == op.Key })
		return e.create(ctx, id, ds[i], op)
	case plan.Stop:
		return e.stop(ctx, id, op.Instance, haltOf(ds, op.Key))
	case plan.Remove:
		return e.remove(ctx, id, op.Instance)
	}
	return fmt.Errorf("unknown action %q", op.Action)
}

func (e *Engine) create(ctx context.Context, id berth.ID, d demand, op plan.Operation) error {
	inits, err := e.behaviours(ctx, d.pod, d.pod.inits, true)
	if err != nil {
		return err
	}
	mains, err := e.behaviours(ctx, d.pod, d.pod.containers, false)
	if err != nil {
		return err
	}
	var created string
	err = e.at(ctx, InstanceCreate, func() {
		e.machine.made++
		created = fmt.Sprintf("%s-%s-%d-%d-%d", id, strings.ReplaceAll(d.Key, "/", "-"), op.Slot, op.Run, e.machine.made)
		o := e.machine.of(id)
		o.instances = append(o.instances, &instance{
			Instance: engine.Instance{
				ID: created, Element: d.pod.element, Workload: d.pod.workload, Hash: op.Hash, Slot: op.Slot, Run: op.Run,
				State: berth.InstancePreparing, Reason: "Starting", Message: op.Reason,
			},
			failures: op.Failures, once: d.Once, pod: d.pod, inits: inits, mains: mains, since: e.cfg.Now(),
			unhealthy: e.cfg.Exec != nil && len(d.pod.commands()) > 0,
		})
		e.machine.hint(id)
	})
	if err != nil {
		return err
	}
	return e.start(ctx, id, created)
}

// haltOf says why nothing of a key may run; empty: it may.
func haltOf(ds []demand, key string) string {
	for _, d := range ds {
		if d.Key == key {
			return d.halted
		}
	}
	return ""
}

// stop ends an instance; halted, unless empty, is why.
func (e *Engine) stop(ctx context.Context, id berth.ID, instance, halted string) error {
	return e.at(ctx, InstanceStop, func() {
		_, i := e.machine.find(instance)
		if i == nil || !i.stopAt.IsZero() {
			return
		}
		now := e.cfg.Now()
		i.stopAt = now
		for _, b := range i.mains {
			if at := now.Add(b.StopFor); i.begun && at.After(i.stopAt) {
				i.stopAt = at
			}
		}
		if halted != "" {
			i.end(now, 143, engine.DiskLimit, halted)
		}
		if !i.stopAt.After(now) {
			i.end(now, 143, "", "")
		}
		e.machine.hint(id)
	})
}

func (e *Engine) remove(ctx context.Context, id berth.ID, gone string) error {
	if err := e.keep(ctx, id, gone); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	return e.at(ctx, InstanceRemove, func() {
		d := e.machine.of(id)
		d.instances = slices.DeleteFunc(d.instances, func(i *instance) bool { return i.ID == gone })
		e.machine.hint(id)
	})
}

func (e *Engine) observation(w engine.Workload, ds []demand, d plan.Decision, started bool) engine.Observation {
	o := engine.Observation{Again: d.Again, Settled: d.Settled && !started}
	now := e.cfg.Now()
	for _, i := range e.list(w.Deployment) {
		i.Wanted = slices.ContainsFunc(ds, func(d demand) bool {
			return d.Key == i.key() && d.Hash == i.Hash && i.Slot < d.Replicas
		})
		o.Instances = append(o.Instances, i.Instance)
		if at := i.next(now, e.cfg); !at.IsZero() {
			o.Again = sooner(o.Again, at.Sub(now))
		}
	}
	e.machine.change(func() { o.Core = e.machine.of(w.Deployment).address(2) })
	if !o.Settled {
		o.Step = step(w, o.Instances)
	}
	if len(d.Operations) > 0 || started {
		o.Again = sooner(o.Again, time.Millisecond)
	}
	return o
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

func step(w engine.Workload, instances []engine.Instance) string {
	if w.Stopped {
		return "stopping"
	}
	var waiting []string
	for _, i := range instances {
		if i.Wanted && !i.Ready && !slices.Contains(waiting, i.Element) {
			waiting = append(waiting, i.Element)
		}
	}
	if len(waiting) == 0 {
		return "replacing instances"
	}
	return "waiting for " + strings.Join(waiting, ", ")
}

// Remove implements engine.Engine. One call does one thing: end, then forget, then core, then network.
func (e *Engine) Remove(ctx context.Context, id berth.ID) (gone bool, err error) {
	var d deployment
	known := false
	e.machine.change(func() {
		if found := e.machine.deployments[id]; found != nil {
			d, known = *found, true
		}
	})
	if !known {
		return true, nil
	}
	live := 0
	for _, i := range e.list(id) {
		if i.State != berth.InstanceExited {
			live++
			if err := e.stop(ctx, id, i.ID, ""); err != nil {
				return false, fmt.Errorf("stop instance: %w", err)
			}
		}
	}
	if live > 0 {
		return false, nil
	}
	for _, i := range e.list(id) {
		if err := e.remove(ctx, id, i.ID); err != nil {
			return false, fmt.Errorf("remove instance: %w", err)
		}
	}
	return e.removeRest(ctx, id, d)
}

func (e *Engine) removeRest(ctx context.Context, id berth.ID, d deployment) (gone bool, err error) {
	if len(d.tasks) > 0 {
		if err := e.at(ctx, TaskRemove, func() { clear(e.machine.of(id).tasks) }); err != nil {
			return false, fmt.Errorf("remove tasks: %w", err)
		}
	}
	if d.core {
		if err := e.at(ctx, CoreRemove, func() { e.machine.of(id).core = false }); err != nil {
			return false, fmt.Errorf("remove core: %w", err)
		}
	}
	if d.network {
		if err := e.at(ctx, NetworkRemove, func() { e.machine.of(id).network = false }); err != nil {
			return false, fmt.Errorf("remove network: %w", err)
		}
	}
	e.machine.change(func() {
		if gone = e.machine.of(id).empty(); gone {
			delete(e.machine.deployments, id)
		}
		e.machine.hint(id)
	})
	return gone, nil
}

// Deployments implements engine.Engine.
func (e *Engine) Deployments(ctx context.Context) ([]berth.ID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []berth.ID
	e.machine.change(func() {
		for id, d := range e.machine.deployments {
			if !d.empty() {
				out = append(out, id)
			}
		}
	})
	slices.Sort(out)
	return out, nil
}
