// Package plan decides what an engine does next, from small values of its own: what is wanted,
// what is observed, what the proxies have drained, and now. It is pure: no I/O, no clock, no
// randomness, no Kubernetes type, and the same input gives the same output.
package plan

import "time"

// Wanted is one controller's worth of equal instances.
type Wanted struct {
	Key      string // "<element>/<workload>"
	Hash     string
	Replicas int
	// Overlap allows an old and a new instance at once. Without it the old ones end first.
	Overlap bool
	// Tier orders starts: all of a lower tier are ready before a higher one starts for the first time
	// in this deployment's present run.
	Tier int
	// Once marks a Job: an instance that ended with success is done, not replaced.
	Once bool
	// Gate marks a Job that opens the way: before it is done nothing else of its tier or a higher one starts
	// with a new hash, and nothing ends for it.
	Gate bool
	// Held keeps new instances from being started: what they need is on its way.
	Held bool
	// Halted asks for no instance for now: live ones end, none starts, and the slots stay unfilled.
	Halted bool
}

// State of an observed instance.
type State string

const (
	Preparing State = "preparing"
	Running   State = "running"
	Exited    State = "exited"
)

// Observed is one instance that exists.
type Observed struct {
	ID      string
	Key     string
	Hash    string
	Slot    int
	Run     int
	State   State
	Ready   bool
	Success bool      // exited with 0
	Since   time.Time // when it entered State
	Started time.Time // when it began to run; zero: never did
	Drained bool      // no live proxy routes to it or serves from it
	// Failures is what Operation.Failures said when it was started: the engine keeps the number with
	// the instance (a label), because what it counts has long been removed.
	Failures int
}

// Action is what to do with a slot or an instance.
type Action string

const (
	Start  Action = "start"  // make run Run of slot Slot of Key with hash Hash
	Stop   Action = "stop"   // end a preparing or running instance
	Remove Action = "remove" // forget an exited one
)

// Operation is one thing to do. Instance is set for Stop and Remove.
type Operation struct {
	Action   Action
	Key      string
	Hash     string
	Slot     int
	Run      int
	Instance string
	Reason   string // for events: "replaced by a new release", "restarting after exit"
	// Failures counts, for Start, the runs right before this one that lived shorter than Backoff.Steady.
	Failures int
}

// Decision is the operations to carry out now, in order and independent of each other, and when
// to decide again at the latest (zero: only when something changes).
type Decision struct {
	Operations []Operation
	Again      time.Duration
	Settled    bool // every wanted instance is ready and nothing unwanted is left
}

// Backoff of replaced instances: doubles from Min to Max with each run that lived shorter than Steady.
type Backoff struct {
	Min, Max, Steady time.Duration
}
