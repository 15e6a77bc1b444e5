package berth

import "time"

// Phase is what a deployment is now, computed from what serves; never stored.
type Phase string

const (
	PhasePending  Phase = "pending"
	PhaseStarting Phase = "starting"
	PhaseRunning  Phase = "running"
	PhaseDegraded Phase = "degraded"
	PhaseFailed   Phase = "failed"
	PhaseSleeping Phase = "sleeping"
	PhaseStopped  Phase = "stopped"
	PhaseDeleting Phase = "deleting"
)

// Colour is an element's status at a glance.
type Colour string

const (
	Green  Colour = "green"
	Yellow Colour = "yellow"
	Red    Colour = "red"
	Grey   Colour = "grey"
)

// ElementKind is component, addon or workspace.
type ElementKind string

const (
	KindComponent ElementKind = "component"
	KindAddon     ElementKind = "addon"
	KindWorkspace ElementKind = "workspace"
)

// ElementStatus is one line of the status tree: a colour, a reason code, a sentence.
type ElementStatus struct {
	Identifier string           `json:"identifier"`
	Kind       ElementKind      `json:"kind"`
	Status     Colour           `json:"status"`
	Reason     string           `json:"reason"` // Ready, Starting, Building, CrashLoop, OutOfMemory, WrongPort, ImageMissing, Stopped, …
	Message    string           `json:"message"`
	Instances  []InstanceStatus `json:"instances"`
}

// InstanceState is what one run of a pod does; it only moves forward.
type InstanceState string

const (
	InstancePreparing InstanceState = "preparing" // containers being made, init containers running
	InstanceRunning   InstanceState = "running"
	InstanceExited    InstanceState = "exited"
)

// InstanceStatus is an instance as people see it.
type InstanceStatus struct {
	ID        string        `json:"id"`
	Element   string        `json:"element,omitempty"`
	Workload  string        `json:"workload"`
	Hash      string        `json:"hash,omitempty"`    // of the pod it runs; a release routes to its own hashes only
	Address   string        `json:"address,omitempty"` // inside the deployment's network; empty before it has one
	Slot      int           `json:"slot"`
	Run       int           `json:"run"` // counts the times this slot was started
	State     InstanceState `json:"state"`
	Ready     bool          `json:"ready"`
	Wanted    bool          `json:"wanted"` // belongs to the target release
	Reason    string        `json:"reason,omitempty"`
	Message   string        `json:"message,omitempty"`
	ExitCode  int           `json:"exitCode,omitempty"`
	StartedAt time.Time     `json:"startedAt,omitzero"`
	EndedAt   time.Time     `json:"endedAt,omitzero"`
}
