// Package fake is an engine in memory that passes enginetest like the real ones: for tests of
// everything above the seam. Time is handed in, what containers do is scripted by image, and a
// fault can strike before and after every effect, so that a test can kill the server at each.
// It must not know any vendor's client, and no production package imports it.
package fake

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/plan"
)

var (
	_ engine.Engine = (*Engine)(nil)
	_ engine.Dialer = (*Engine)(nil)
	_ engine.Execer = (*Engine)(nil)
	_ engine.Runner = (*Engine)(nil)
	_ engine.Logger = (*Engine)(nil)
	_ engine.Halter = (*Engine)(nil)
)

// Config makes an Engine. The zero Config works: a new machine, real time, and images that are
// ready at once and run for ever.
type Config struct {
	// Machine outlives the engine: a second engine on it finds what the first one made.
	Machine *Machine
	Now     func() time.Time
	Backoff plan.Backoff
	// Steady is how long an instance without port and probe has to run to count as ready.
	Steady time.Duration
	// Images scripts containers by image reference. An image that is not in it runs and is ready at once.
	Images map[string]Behaviour
	// Behave scripts containers by everything; it wins over Images.
	Behave func(c Container) Behaviour
	// Fault is called at each of Points, "before …" and "after …" the effect. Its error ends the
	// engine's call at once, as if the server had died there.
	Fault func(point string) error
	// Exec answers Exec and command probes; nil: all succeed without output.
	Exec func(ctx context.Context, x engine.ExecSpec) (int, error)
	// Run answers Run; nil: all succeed without output.
	Run func(ctx context.Context, t engine.Task) (int, error)
	// Secret gives the values behind secret tokens; nil: tokens stay as they are.
	Secret func(ctx context.Context, id berth.ID, version int) (berth.Secret, error)
	// Keep is called before an instance is removed.
	Keep func(ctx context.Context, files []engine.LogFile) error
	// LogDir is where containers log to, in Docker's json-file format; empty: nowhere.
	LogDir string
}

// Engine is one server's view of a Machine.
type Engine struct {
	cfg     Config
	machine *Machine
}

// New returns an engine on cfg.Machine, or on a new one.
func New(cfg Config) *Engine {
	if cfg.Machine == nil {
		cfg.Machine = NewMachine()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Backoff == (plan.Backoff{}) {
		cfg.Backoff = plan.Backoff{Min: time.Second, Max: time.Minute, Steady: time.Minute}
	}
	if cfg.Steady == 0 {
		cfg.Steady = 5 * time.Second
	}
	return &Engine{cfg: cfg, machine: cfg.Machine}
}

// Machine returns what the engine runs on.
func (e *Engine) Machine() *Machine { return e.machine }

// The named points: every effect that an engine has.
const (
	NetworkCreate  = "network create"
	NetworkRemove  = "network remove"
	CoreCreate     = "core create"
	CoreRemove     = "core remove"
	InstanceCreate = "instance create"
	InstanceStart  = "instance start"
	InstanceStop   = "instance stop"
	InstanceRemove = "instance remove"
	TaskCreate     = "task create"
	TaskRemove     = "task remove"
)

// Points returns all named points; each is passed to Config.Fault as "before <point>" and "after <point>".
func Points() []string {
	return []string{
		NetworkCreate, NetworkRemove, CoreCreate, CoreRemove,
		InstanceCreate, InstanceStart, InstanceStop, InstanceRemove, TaskCreate, TaskRemove,
	}
}

// at has an effect on the machine, between the two faults that may strike there. The machine is not
// locked while a fault strikes: a fault may panic, and may look at the machine.
func (e *Engine) at(ctx context.Context, point string, effect func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.fault("before " + point); err != nil {
		return err
	}
	e.machine.change(effect)
	return e.fault("after " + point)
}

func (e *Engine) fault(point string) error {
	if e.cfg.Fault == nil {
		return nil
	}
	return e.cfg.Fault(point)
}

// Machine is what survives a restart of the server: networks, cores, instances, tasks.
type Machine struct {
	mu          sync.Mutex
	deployments map[berth.ID]*deployment
	watchers    map[chan berth.ID]bool
	made        int
}

// deployment is everything of one deployment on the machine.
type deployment struct {
	number    int // for addresses
	network   bool
	core      bool
	instances []*instance
	tasks     map[string]bool
	addresses int
}

func (d *deployment) empty() bool {
	return !d.network && !d.core && len(d.instances) == 0 && len(d.tasks) == 0
}

// NewMachine returns an empty machine.
func NewMachine() *Machine {
	return &Machine{deployments: map[berth.ID]*deployment{}, watchers: map[chan berth.ID]bool{}}
}

func (m *Machine) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// of returns a deployment, made when it is missing. Call it locked.
func (m *Machine) of(id berth.ID) *deployment {
	d := m.deployments[id]
	if d == nil {
		m.made++
		d = &deployment{number: m.made, tasks: map[string]bool{}}
		m.deployments[id] = d
	}
	return d
}

// find returns an instance by its ID, with its deployment. Call it locked.
func (m *Machine) find(id string) (berth.ID, *instance) {
	for owner, d := range m.deployments {
		for _, i := range d.instances {
			if i.ID == id {
				return owner, i
			}
		}
	}
	return "", nil
}

// Exit ends a running instance from outside, as its program or docker kill would.
func (m *Machine) Exit(id string, code int, now time.Time) error {
	return m.poke(id, func(i *instance) { i.end(now, code, "", "") })
}

// SetReady overrules an instance's script from now on: nil follows the script again.
func (m *Machine) SetReady(id string, ready *bool) error {
	return m.poke(id, func(i *instance) { i.overruled = ready })
}

func (m *Machine) poke(id string, f func(*instance)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	owner, i := m.find(id)
	if i == nil {
		return engine.ErrNoInstance
	}
	f(i)
	m.hint(owner)
	return nil
}

// Reboot ends everything that runs, as the machine's restart would.
func (m *Machine) Reboot(now time.Time) {
	m.change(func() {
		for _, d := range m.deployments {
			clear(d.tasks)
			for _, i := range d.instances {
				i.end(now, 255, "", "")
			}
		}
		m.hint("")
	})
}

// Watch implements engine.Engine.
func (e *Engine) Watch(ctx context.Context) <-chan berth.ID {
	hints := make(chan berth.ID, 16)
	m := e.machine
	m.change(func() { m.watchers[hints] = true })
	context.AfterFunc(ctx, func() {
		m.change(func() {
			delete(m.watchers, hints)
			close(hints)
		})
	})
	return hints
}

// hint never waits: a full channel has hints enough, and hints may be lost. Call it locked.
func (m *Machine) hint(id berth.ID) {
	for w := range m.watchers {
		select {
		case w <- id:
		default:
		}
	}
}
