// Package docker is the engine of one machine: it runs a deployment's rendered objects as
// containers of the local Docker Engine.
//
// What runs is found again by label, never remembered: the server may be killed at any moment.
// adapter makes the calls, translate turns objects into container specifications (pure), engine
// takes the steps; every other topic has its own file. The package must not know the store, the
// proxy, projects or builds, and nothing above it may see a type of Docker's client.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/keylock"
	"github.com/berth-dev/berth/plan"
)

// Config is what the engine is given.
type Config struct {
	Socket    string // unix:///var/run/docker.sock when empty
	RunDir    string // absolute; <RunDir>/<deployment>/… holds sockets, name tables and per-instance files
	AgentPath string // the static helper binary
	// AgentKey is what the keys of the helpers that work for people are made from; it outlives the server.
	AgentKey berth.Secret
	CAFile   string // the certificate bundle that every container gets; empty: none
	// Env goes into every container, below everything else: trust and proxy variables.
	Env map[string]string
	// ServerID tells this server's containers from those of another on the same machine.
	ServerID string
	// Pool is where the deployments' networks are taken from; the zero Prefix chooses one that is free.
	Pool netip.Prefix
	// VolumesDir, when set, is the only place that a pod's host paths may lie in:
	// <VolumesDir>/<deployment>/…
	VolumesDir string
	// Secret gives the value behind a secret token.
	Secret func(ctx context.Context, id berth.ID, version int) (berth.Secret, error)
	// Registry gives the login to a registry of images. Nil: there are none.
	Registry func(ctx context.Context, host string) (username string, password berth.Secret, ok bool, err error)
	// Keep is called before containers are removed, so that their logs survive.
	Keep func(ctx context.Context, files []engine.LogFile) error
	Log  *slog.Logger
}

// backoff of instances that end: 1, 2, 4 … 60 s, from the start again once one lived a minute.
var backoff = plan.Backoff{Min: time.Second, Max: time.Minute, Steady: time.Minute}

// Engine runs workloads on one Docker Engine.
type Engine struct {
	config   Config
	log      *slog.Logger
	docker   *adapter
	cgroups  cgroups
	hints    *hints
	prober   *prober
	core     coreImage
	firewall firewall

	pool    netip.Prefix
	subnets sync.Mutex // held from choosing a subnet until Docker has it

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	joining keylock.Locks[string] // of a container: its helper is started once

	mu          sync.Mutex
	deployments map[berth.ID]*memory
	instances   map[string]endpoint
}

var (
	_ engine.Engine = (*Engine)(nil)
	_ engine.Dialer = (*Engine)(nil)
	_ engine.Execer = (*Engine)(nil)
	_ engine.Joiner = (*Engine)(nil)
	_ engine.Runner = (*Engine)(nil)
	_ engine.Logger = (*Engine)(nil)
	_ engine.Halter = (*Engine)(nil)
)

// New prepares an engine; Open makes it usable.
func New(config Config) (*Engine, error) {
	switch {
	case !filepath.IsAbs(config.RunDir):
		return nil, berth.Errorf(berth.EInvalid, "the run directory %q must be an absolute path", config.RunDir)
	case config.ServerID == "":
		return nil, berth.Errorf(berth.EInvalid, "the Docker engine needs the server's id to tell its containers from others")
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	d, err := newAdapter(config.Socket, config.ServerID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &Engine{
		config:      config,
		log:         config.Log,
		docker:      d,
		hints:       newHints(),
		ctx:         ctx,
		cancel:      cancel,
		deployments: map[berth.ID]*memory{},
		instances:   map[string]endpoint{},
	}
	e.prober = newProber(ctx, e)
	return e, nil
}

// Open checks that this machine can do what the engine needs, and says in a sentence what it cannot.
func (e *Engine) Open(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return berth.Errorf(berth.EUnsupported, "Berth must run as root on a Docker machine: it enters the containers' networks, sets their limits and closes the firewall; start it with sudo")
	}
	if err := e.docker.checkVersion(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(e.config.RunDir, 0o700); err != nil {
		return fmt.Errorf("make run directory: %w", err)
	}
	var err error
	if e.cgroups, err = openCgroups(ctx, e.docker); err != nil {
		return err
	}
	if err := e.firewall.close(ctx); err != nil {
		return err
	}
	if e.pool, err = e.choosePool(ctx); err != nil {
		return err
	}
	if e.core, err = e.importCore(ctx); err != nil {
		return err
	}
	e.background(e.followEvents)
	return nil
}

// Close ends everything that the engine itself does; containers run on.
func (e *Engine) Close() error {
	e.cancel()
	e.running.Wait()
	e.prober.wait()
	return e.docker.close()
}

// background runs f until it returns or the engine closes; Close waits for it.
func (e *Engine) background(f func(context.Context)) {
	e.running.Go(func() { f(e.ctx) })
}

// memory is the little that labels cannot say of a deployment. Losing it costs nothing but a second try.
type memory struct {
	// Under Engine.mu:
	failed   map[slotID]failedStart // starts that left no container to tell
	stopping map[string]bool        // instances that are being ended
	halted   map[string]cause       // instances that were ended for a reason of ours
	reserved []netip.Addr           // fixed addresses given to containers that may not be made yet

	surrounding sync.Mutex        // held while network and core are made
	network     deploymentNetwork // as last seen; under surrounding
}

type slotID struct {
	key  string
	slot int
}

func (e *Engine) memory(id berth.ID) *memory {
	m := e.deployments[id]
	if m == nil {
		m = &memory{failed: map[slotID]failedStart{}, stopping: map[string]bool{}, halted: map[string]cause{}}
		e.deployments[id] = m
	}
	return m
}

func validID(id berth.ID) error {
	if len(id) == 0 || len(id) > maxInterface-len(bridgePrefix) || safe(string(id)) != string(id) {
		return berth.Errorf(berth.EInvalid, "%q is no deployment id", string(id))
	}
	return nil
}

var errClosed = errors.New("the Docker engine is closed")
