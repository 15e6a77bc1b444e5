package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/plan"
	"github.com/containerd/errdefs"
	"golang.org/x/sync/errgroup"
)

const (
	atOnce    = 4               // operations of one deployment that run side by side
	lookAgain = 5 * time.Second // for when a hint got lost
)

// Sync takes one step: observe by label, decide, act. See engine.Engine.
func (e *Engine) Sync(ctx context.Context, w engine.Workload) (seen engine.Observation, err error) {
	if err := validID(w.Deployment); err != nil {
		return engine.Observation{}, err
	}
	if e.ctx.Err() != nil {
		return engine.Observation{}, errClosed
	}
	pods, err := translate(w)
	if err != nil {
		return engine.Observation{}, err
	}
	t := &turn{engine: e, workload: w, now: time.Now()}
	e.releaseAddresses(w.Deployment)
	if err := t.surround(ctx); err != nil {
		return engine.Observation{}, err
	}
	defer func() { err = errors.Join(err, t.core()) }()
	if err := t.takeIn(ctx); err != nil {
		return engine.Observation{}, err
	}
	if err := t.want(ctx, pods); err != nil {
		return engine.Observation{}, err
	}
	changed, err := t.advance(ctx)
	if err != nil {
		return engine.Observation{}, err
	}
	decision := plan.Next(t.wanted(), t.planned(), backoff, t.now)
	acted, err := t.act(ctx, decision.Operations)
	if changed || acted {
		if again := t.observe(ctx); again != nil {
			return engine.Observation{}, errors.Join(err, again)
		}
	}
	out := t.observation(decision, changed || acted)
	return out, err
}

// turn is one Sync.
type turn struct {
	engine   *Engine
	workload engine.Workload
	now      time.Time

	network    deploymentNetwork
	core       func() error // waits until core runs
	containers []containerState
	pods       []*observedPod
	templates  map[string]*pod // wanted, by key
	order      []string        // their keys
	instances  map[string]engine.Instance
}

func (t *turn) id() berth.ID { return t.workload.Deployment }

// surround sees that the deployment's limits, network and core are there.
func (t *turn) surround(ctx context.Context) (err error) {
	e := t.engine
	if err := e.cgroups.ensure(ctx, t.id(), t.workload.Limits); err != nil {
		return err
	}
	if t.containers, err = e.docker.containers(ctx, labelDeployment, string(t.id())); err != nil {
		return err
	}
	t.network, t.core, err = e.surround(ctx, t.id(), t.containers)
	return err
}

// observe lists the deployment's containers and takes them in.
func (t *turn) observe(ctx context.Context) (err error) {
	if t.containers, err = t.engine.docker.containers(ctx, labelDeployment, string(t.id())); err != nil {
		return err
	}
	return t.takeIn(ctx)
}

// takeIn reads everything of the deployment from its containers' labels. What is broken is removed at
// once: the server was killed while it made it, or somebody took a container away.
func (t *turn) takeIn(ctx context.Context) error {
	e := t.engine
	e.docker.keepOnly(t.id(), t.containers)
	pods, broken := groupPods(t.containers)
	for _, p := range broken {
		e.log.Info("remove broken instance", "deployment", t.id(), "element", p.Element, "instance", p.ID)
		if err := errors.Join(e.keepLogs(ctx, p), e.removePod(ctx, p)); err != nil {
			return err
		}
	}
	t.pods = pods
	e.rememberEndpoints(t.id(), pods)
	targets := t.targets()
	e.prober.follow(t.id(), targets)
	e.prober.settle(ctx, targets, t.now)
	t.instances = make(map[string]engine.Instance, len(pods))
	for _, p := range pods {
		t.instances[p.ID] = e.explainHalt(t.id(), p.instance(e.prober.verdict(p.ID), e.isStopping(t.id(), p.ID)))
	}
	e.forgetHalts(t.id(), t.instances)
	return nil
}

// targets are the instances to be asked whether they are ready.
func (t *turn) targets() []target {
	var out []target
	for _, p := range t.pods {
		g := p.progress()
		if g.State != berth.InstanceRunning || g.Over || p.Record.Once || t.engine.isStopping(t.id(), p.ID) {
			continue
		}
		to := target{
			Deployment: t.id(), Instance: p.ID, Kind: p.Record.Kind, Started: p.owner().Started,
			Checks: p.Record.Checks, Ports: p.Record.Ports, Redirects: p.Record.Redirects,
		}
		for _, c := range p.Containers {
			to.Names = append(to.Names, c.Labels[labelContainer])
		}
		out = append(out, to)
	}
	return out
}

// want fills in what the templates need of this machine: image ids, and with them the hashes.
func (t *turn) want(ctx context.Context, pods []*pod) error {
	t.templates = make(map[string]*pod, len(pods))
	for _, p := range pods {
		if err := t.resolve(ctx, p); err != nil {
			return err
		}
		t.templates[p.key()] = p
		t.order = append(t.order, p.key())
	}
	return nil
}

// resolve finds the ids of a pod's images. While an instance of the very template lives, they are the
// ones that it runs from: a name that is given to another image meanwhile, or taken away, replaces nothing
// that runs. A restart is another template, and looks anew.
func (t *turn) resolve(ctx context.Context, p *pod) error {
	if t.adopt(p) {
		return nil
	}
	parts := []string{p.Template}
	for i, c := range p.Containers {
		id, found, err := t.engine.ImageID(ctx, c.Image)
		if err != nil {
			return err
		}
		if !found {
			p.Missing = c.Image
		}
		p.Containers[i].ImageID = id
		parts = append(parts, id)
	}
	p.Hash = shortHash(parts...)
	return nil
}

func (t *turn) adopt(p *pod) bool {
	for _, o := range t.pods {
		if o.key() != p.key() || o.Template != p.Template || o.progress().Over || len(o.Containers) != len(p.Containers) {
			continue
		}
		p.Hash = o.Hash
		for i, c := range o.Containers {
			p.Containers[i].ImageID = c.Image
		}
		return true
	}
	return false
}

func (t *turn) wanted() []plan.Wanted {
	var out []plan.Wanted
	for _, key := range t.order {
		p := t.templates[key]
		out = append(out, plan.Wanted{
			Key: key, Hash: p.Hash, Replicas: p.Replicas, Overlap: p.Overlap, Tier: p.Tier, Once: p.Once, Gate: p.Gate, Held: p.Held,
			Halted: t.halted(p.Element) != "",
		})
	}
	return out
}

func (t *turn) planned() []plan.Observed {
	var out []plan.Observed
	for _, p := range t.pods {
		out = append(out, planned(t.instances[p.ID], p, t.workload.Drained))
	}
	for _, f := range t.engine.failedStarts(t.id()) {
		out = append(out, f.planned())
	}
	return out
}

// advance takes each instance's next step: the next container to start, or the end of what is left of one
// that is over.
func (t *turn) advance(ctx context.Context) (changed bool, err error) {
	g, ctx2 := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, p := range t.pods {
		next := p.progress()
		switch {
		case next.Over && next.State == berth.InstanceRunning:
			t.engine.stop(p)
		case next.Start >= 0 && !t.workload.Stopped && t.halted(p.Element) == "" && !t.engine.isStopping(t.id(), p.ID):
			changed = true
			g.Go(func() error {
				if err := t.core(); err != nil {
					return err
				}
				return t.engine.startContainers(ctx2, p)
			})
		}
	}
	err = g.Wait()
	if changed && err == nil {
		err = t.observe(ctx)
	}
	return changed, err
}

// startContainers starts an init container, or all main ones in order. One that Docker cannot start says
// so itself when it is looked at.
func (e *Engine) startContainers(ctx context.Context, p *observedPod) error {
	next := p.progress()
	if next.Start < 0 {
		return nil
	}
	for _, c := range p.Containers[next.Start:] {
		err := e.startContainer(ctx, p, c)
		if why, fault := mountFault(err); why != nil {
			return e.giveUp(ctx, p, *why)
		} else if fault != nil || next.Start < p.Record.Inits {
			return fault
		}
		if s, _, err := e.docker.inspect(ctx, c.ID); err != nil || s.failedToStart() {
			return err
		}
	}
	return nil
}

// giveUp removes an instance that may not be started as it is, and remembers why.
func (e *Engine) giveUp(ctx context.Context, p *observedPod, why cause) error {
	err := errors.Join(e.keepLogs(ctx, p), e.removePod(ctx, p))
	e.rememberFailed(p.Deployment, failedStart{
		pod:      &pod{Element: p.Element, Workload: p.Workload, Hash: p.Hash},
		identity: identity{Deployment: p.Deployment, Instance: p.ID, Slot: p.Slot, Run: p.Run, Failures: p.Failures},
		cause:    why, at: time.Now(),
	})
	return err
}

// startContainer starts one. That Docker says no is news of the container, not an error of ours.
func (e *Engine) startContainer(ctx context.Context, p *observedPod, c containerState) error {
	err := e.startPinned(ctx, p, c)
	if why, _ := mountFault(err); err == nil || why != nil {
		return err
	}
	s, found, inspectErr := e.docker.inspect(ctx, c.ID)
	if inspectErr == nil && (!found || s.ended()) {
		e.log.Info("container did not start", "container", c.Name, "error", err)
		return nil
	}
	return err
}

// act carries the operations out, a few side by side. One that fails leaves the others alone.
func (t *turn) act(ctx context.Context, operations []plan.Operation) (acted bool, err error) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	errs := make([]error, len(operations))
	for i, op := range operations {
		switch op.Action {
		case plan.Start:
			acted = true
			g.Go(func() error { errs[i] = t.start(ctx, op); return nil })
		case plan.Stop:
			if p := t.pod(op.Instance); p != nil && !t.engine.isStopping(t.id(), p.ID) {
				acted = true
				t.engine.noteHalt(t.id(), p.ID, t.halted(p.Element))
				t.engine.stop(p)
			}
		case plan.Remove:
			acted = true
			g.Go(func() error { errs[i] = t.remove(ctx, op); return nil })
		}
		if op.Action != plan.Remove {
			t.engine.log.Debug("plan", "deployment", t.id(), "action", op.Action, "key", op.Key, "slot", op.Slot, "run", op.Run, "reason", op.Reason)
		}
	}
	_ = g.Wait() // each keeps its own error
	return acted, errors.Join(errs...)
}

func (t *turn) pod(instance string) *observedPod {
	i := slices.IndexFunc(t.pods, func(p *observedPod) bool { return p.ID == instance })
	if i < 0 {
		return nil
	}
	return t.pods[i]
}

func (t *turn) remove(ctx context.Context, op plan.Operation) error {
	p := t.pod(op.Instance)
	if p == nil {
		t.engine.forgetFailed(t.id(), op.Instance)
		return nil
	}
	if err := t.engine.keepLogs(ctx, p); err != nil {
		return err
	}
	return t.engine.removePod(ctx, p)
}

// start makes an instance's containers and starts the first of them. A failure that is the template's
// fault is remembered, so that it backs off and people are told.
func (t *turn) start(ctx context.Context, op plan.Operation) error {
	p := t.templates[op.Key]
	if p == nil {
		return nil
	}
	id := identity{
		Deployment: t.id(), Slug: t.workload.Slug, Instance: string(berth.NewID()),
		Slot: op.Slot, Run: op.Run, Failures: op.Failures,
	}
	why, err := t.make(ctx, p, id)
	if err != nil || why != nil {
		clean := context.WithoutCancel(ctx)
		err = errors.Join(err, t.engine.removeInstance(clean, t.id(), id.Instance))
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", op.Key, err)
	}
	if why != nil {
		t.engine.rememberFailed(t.id(), failedStart{pod: p, identity: id, cause: *why, at: time.Now()})
		return nil
	}
	t.engine.forgetFailedSlot(t.id(), slotID{op.Key, op.Slot})
	if p.Tier > 0 { // add-ons ask for no names while they start
		if err := t.core(); err != nil {
			return err
		}
	}
	return t.startMade(ctx, id)
}

// cause is why a start is the template's fault.
type cause struct{ Reason, Message string }

// make creates all containers of an instance, so that from here on Docker knows the whole of it.
func (t *turn) make(ctx context.Context, p *pod, id identity) (*cause, error) {
	e := t.engine
	if p.Missing != "" {
		return &cause{"ImageMissing", fmt.Sprintf("the image %s is not on this machine", p.Missing)}, nil
	}
	reveal := e.revealer(ctx)
	if err := e.writeVolumes(p, id, reveal); err != nil {
		return nil, err
	}
	s := surroundings{
		Network: networkName(t.id()), Core: t.network.core(), Cgroup: e.cgroups.parent(t.id()),
		CAFile: e.config.CAFile, Agent: e.config.AgentPath, Env: e.config.Env, Reveal: reveal,
	}
	if p.wantsAddress() {
		var err error
		if s.Address, err = e.reserve(ctx, t.id(), t.network); err != nil {
			return nil, err
		}
	}
	joined := ""
	for i, c := range p.Containers {
		var err error
		if s.Paths, err = e.mountPaths(p, i, id); err != nil {
			return mountFault(err)
		}
		image, found, err := e.image(ctx, c.ImageID)
		if err != nil {
			return nil, err
		}
		if !found {
			return &cause{"ImageMissing", fmt.Sprintf("the image %s is not on this machine", c.Image)}, nil
		}
		s.Image, s.Join = image, joined
		one := s
		if c.Init {
			one.Address = netip.Addr{} // it would take the address from the main containers
		}
		r, err := containerRequest(p, i, id, one)
		if err != nil {
			return nil, err
		}
		container, err := e.docker.create(ctx, containerName(p, id, c.Name), r.Config, r.Host, r.Network)
		if errdefs.IsInvalidArgument(err) || errdefs.IsNotFound(err) {
			return &cause{"StartFailed", "cannot be made: " + lastLine(err.Error())}, nil
		}
		if err != nil {
			return nil, err
		}
		if !c.Init && joined == "" {
			joined = container
		}
	}
	return nil, nil
}

// mountFault tells a path that may not be mounted from a fault of ours.
func mountFault(err error) (*cause, error) {
	if code := berth.CodeOf(err); code == berth.EForbidden || code == berth.EInvalid {
		return &cause{"StartFailed", err.Error()}, nil
	}
	return nil, err
}

// startMade starts what can be started of an instance that has just been made.
func (t *turn) startMade(ctx context.Context, id identity) error {
	p, err := t.engine.findInstance(ctx, id.Instance)
	if err != nil {
		return fmt.Errorf("find what was made: %w", err)
	}
	return t.engine.startContainers(ctx, p)
}

// reserve chooses a fixed address. Two starts side by side do not choose the same: what one of them has
// chosen is remembered until its container, made, says so itself.
func (e *Engine) reserve(ctx context.Context, id berth.ID, n deploymentNetwork) (netip.Addr, error) {
	containers, err := e.docker.containers(ctx, labelDeployment, string(id))
	if err != nil {
		return netip.Addr{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.memory(id)
	for _, a := range m.reserved {
		containers = append(containers, containerState{Reserved: a})
	}
	a, err := fixedAddress(n, containers)
	if err == nil {
		m.reserved = append(m.reserved, a)
	}
	return a, err
}

// releaseAddresses forgets what was reserved: between turns, every container that will be made is made.
func (e *Engine) releaseAddresses(id berth.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory(id).reserved = nil
}

// revealer replaces secret tokens by their values, each asked for once.
func (e *Engine) revealer(ctx context.Context) func(string) (string, error) {
	return func(s string) (string, error) {
		return berth.ReplaceSecretTokens(s, func(id berth.ID, version int) (string, error) {
			if e.config.Secret == nil {
				return "", errors.New("this engine was given no secrets")
			}
			v, err := e.config.Secret(ctx, id, version)
			if err != nil {
				return "", fmt.Errorf("read secret: %w", err)
			}
			return v.Reveal(), nil
		})
	}
}

// removePod removes an instance's containers and files.
func (e *Engine) removePod(ctx context.Context, p *observedPod) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, c := range p.Containers {
		g.Go(func() error { return e.docker.remove(ctx, c.ID) })
	}
	return errors.Join(g.Wait(), e.removeInstanceDir(p.Deployment, p.ID))
}

// removeInstance removes what was made of an instance that could not be made whole.
func (e *Engine) removeInstance(ctx context.Context, id berth.ID, instance string) error {
	containers, err := e.docker.containers(ctx, labelInstance, instance)
	if err != nil {
		return err
	}
	return e.removePod(ctx, &observedPod{ID: instance, Deployment: id, Containers: containers})
}

// observation reports what is seen after the step.
func (t *turn) observation(d plan.Decision, acted bool) engine.Observation {
	out := engine.Observation{Core: coreAddress(t.network), Settled: d.Settled && !acted, Again: d.Again}
	for _, p := range t.pods {
		i := t.instances[p.ID]
		i.Wanted = t.isWanted(i)
		out.Instances = append(out.Instances, i)
	}
	for _, f := range t.engine.failedStarts(t.id()) {
		i := f.instance()
		i.Wanted = t.isWanted(i)
		out.Instances = append(out.Instances, i)
	}
	slices.SortFunc(out.Instances, byIdentity)
	if !out.Settled {
		out.Step = t.step(out.Instances)
		if out.Again == 0 || out.Again > lookAgain {
			out.Again = lookAgain
		}
	}
	if acted {
		out.Again = min(out.Again, time.Second)
	}
	return out
}

func (t *turn) isWanted(i engine.Instance) bool {
	p := t.templates[i.Element+"/"+i.Workload]
	return p != nil && p.Hash == i.Hash && i.Slot < p.Replicas
}

// step says what is going on, for people.
func (t *turn) step(instances []engine.Instance) string {
	if len(t.order) == 0 {
		return "stopping"
	}
	for _, key := range t.order {
		for _, i := range instances {
			if i.Element+"/"+i.Workload == key && i.Wanted && !i.Ready && i.Reason != "Completed" {
				return "starting " + i.Element
			}
		}
	}
	return "starting"
}
