// Package engine is the seam between Berth and whatever runs containers: what a
// deployment should run (Workload), what is seen to run (Observation), one step at a
// time. Every engine passes engine/enginetest; engine/fake runs in memory.
//
// It must not know the store, the proxy, projects, builds or any vendor's client.
package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/berth-dev/berth"
	"k8s.io/apimachinery/pkg/runtime"
)

// Workload is everything that should run for one deployment, and nothing else of it should.
type Workload struct {
	Deployment berth.ID
	Slug       string // for people: container host names, comments
	Kind       berth.StageKind
	Limits     berth.Limits
	Elements   []Element // in starting order: add-ons before components
	// PublicHosts resolve to the deployment's core container from inside.
	PublicHosts []string
	// Drained says of instances (by Instance.ID) that no live proxy routes to them and none of
	// their requests is in flight: only such may be stopped. An instance that never was routed
	// counts as drained. An engine stops no other running instance, unless Stopping is set or
	// the instance's element may not overlap (Recreate).
	Drained func(instance string) bool
	// Stopped asks for no instance at all, with network, core and volumes kept.
	Stopped bool
}

// Element is one element's rendered objects, of the closed list: Deployment, StatefulSet, Service,
// Ingress, ConfigMap, Secret, PersistentVolumeClaim, Job, CronJob. Values may hold secret tokens
// (berth.SecretToken); the engine replaces them at the last moment, inside its create call.
type Element struct {
	Identifier string
	Kind       berth.ElementKind
	Objects    []runtime.Object
	Health     *berth.Health
	// Restarts counts the restarts a person asked for; it is part of the instances' identity.
	Restarts int
	// Held keeps new instances of the element from being started: what they need is on its way. It is no
	// part of their identity, and what runs of the element runs on.
	Held bool
	// Halted says why no instance of the element may run for now; empty: they may. Those that run end
	// at once, routed or not, and none is started.
	Halted string
}

// Observation is what an engine saw after its step.
type Observation struct {
	Instances []Instance
	// Settled means that every wanted instance is ready and nothing else is left to do.
	Settled bool
	// Again is when to call Sync next at the latest even if Watch says nothing; zero: no need.
	Again time.Duration
	// Step says what is going on, for people; empty when settled.
	Step string
	// Core is the address of the deployment's core container inside its network; empty before it has one.
	Core string
}

// Instance is one run of one pod template. Its identity is (element, workload, hash, slot, run).
type Instance struct {
	ID       string // unique on this engine, stable for the instance's life
	Element  string
	Workload string // name of the Deployment, StatefulSet or Job object
	Hash     string // of the normalised pod, image ids and secret versions
	Slot     int    // 0…replicas-1
	Run      int    // 1 for the first run in this slot, counted up by each replacement
	State    berth.InstanceState
	Ready    bool
	Wanted   bool   // its hash is what the Workload asks for
	Address  string // IP address inside the deployment's network; empty before it has one
	// Reason and Message explain anything but ready: "Starting", "CrashLoop", "OutOfMemory",
	// "ImageMissing", "WrongPort", "InitFailed", "StartFailed", …
	Reason    string
	Message   string
	ExitCode  int
	StartedAt time.Time
	ReadyAt   time.Time
	EndedAt   time.Time
	Listening []int // ports seen listening while not ready; nil: not known
}

// Engine runs workloads. All methods are safe for concurrent use for different deployments;
// callers make no two calls at once for one deployment.
type Engine interface {
	// Sync takes at most one bounded step per instance toward w (a few seconds; it never waits
	// for readiness) and reports what it sees. "Already done" is success. Whatever it did before
	// it was killed is found again by label. An object that it cannot honour is an *Unsupported.
	Sync(ctx context.Context, w Workload) (Observation, error)
	// Remove takes one step toward nothing being left of the deployment in the engine
	// (containers, network, per-instance files, images made for it) and reports whether that is so.
	// It touches no volume.
	Remove(ctx context.Context, deployment berth.ID) (gone bool, err error)
	// Deployments lists those that have anything in the engine.
	Deployments(ctx context.Context) ([]berth.ID, error)
	// Watch sends a hint when something of a deployment may have changed. The channel closes
	// with ctx. Hints may be lost and repeated; the empty ID means "anything".
	Watch(ctx context.Context) <-chan berth.ID
}

// Dialer is an ability: connect to an instance's port, in development at its loopback first.
type Dialer interface {
	Dial(ctx context.Context, instance string, port int) (net.Conn, error)
}

// ExecSpec is a command for an instance.
type ExecSpec struct {
	Instance  string
	Container string // empty: the pod's first
	Command   []string
	User      string // empty: the container's
	TTY       bool
	Width     int
	Height    int
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
	Resize    <-chan berth.WindowSize
}

// Execer is an ability: run a command in an instance; blocks until it ended and its output was delivered.
type Execer interface {
	Exec(ctx context.Context, x ExecSpec) (exitCode int, err error)
}

// Joiner is an ability: connect to the helper inside an instance's container (package agentwire), which is started
// where it does not run. The connection is ready for a request; it has CloseWrite.
type Joiner interface {
	Join(ctx context.Context, instance string) (net.Conn, error)
}

// Task is a program that Berth itself needs to run for a deployment, in a container of that
// deployment: clone, fetch, install.
type Task struct {
	Deployment berth.ID
	Name       string // one task of a name runs at a time; a left-over of the name is removed first
	Image      string
	Command    []string
	Env        map[string]string
	SecretEnv  map[string]berth.Secret
	User       string // "1000:1000"
	WorkingDir string
	Mounts     map[string]string // absolute host path → container path
	ReadOnly   map[string]string // the same, read only
	Stdin      io.Reader
	Output     io.Writer // stdout and stderr
	Limits     berth.Limits
	// Offline gives the task no network, and does not wait for the deployment to have one.
	Offline bool
}

// Runner is an ability: run a task to its end. Cancelling ctx kills it.
type Runner interface {
	Run(ctx context.Context, t Task) (exitCode int, err error)
}

// DiskLimit is the reason of an instance that ended because its element is halted, or that may not run on.
const DiskLimit = "DiskLimit"

// Layer is where one container of an instance writes what lies in no volume.
type Layer struct {
	Deployment berth.ID
	Element    string
	Instance   string
	Path       string // absolute, on this machine
}

// Halter is an ability: say where instances write, and end one that writes too much.
type Halter interface {
	// Layers lists what is known of running instances without asking anybody.
	Layers() []Layer
	// Halt ends an instance at once; reason and message explain its end. It is replaced like one that exits.
	Halt(ctx context.Context, instance, reason, message string) error
}

// LogFile is where one container of an instance writes.
type LogFile struct {
	Deployment berth.ID
	Instance   Instance
	Container  string
	Paths      []string // oldest first; Docker's json-file format, rotated
}

// Logger is an ability: say where the containers of a deployment log to.
type Logger interface {
	LogFiles(ctx context.Context, deployment berth.ID) ([]LogFile, error)
}

// ErrNoInstance means that the instance does not exist (any more).
var ErrNoInstance = errors.New("no such instance")

// Unsupported names an object, field or ability that this engine cannot honour.
type Unsupported struct{ What string }

func (u *Unsupported) Error() string { return u.What + " is not supported by this engine" }
