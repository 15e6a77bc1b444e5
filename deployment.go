package berth

import "time"

// Desire is what a person wants of a deployment.
type Desire string

const (
	DesireRun    Desire = "run"
	DesireStop   Desire = "stop"
	DesireSleep  Desire = "sleep" // until something wakes it
	DesireDelete Desire = "delete"
)

// Rests reports whether no instance is to run, though all of it is kept.
func (d Desire) Rests() bool { return d == DesireStop || d == DesireSleep }

// Deployment is one full instance of a project, as it is stored and as it is shown.
// Desired fields are written by the API only; Observed by the reconciler only.
type Deployment struct {
	ID        ID             `json:"id"`
	ProjectID ID             `json:"-"`
	Project   string         `json:"project"`
	Name      string         `json:"name"`
	Slug      string         `json:"slug"`
	Stage     string         `json:"stage"`
	Kind      StageKind      `json:"kind"`
	Branch    string         `json:"branch"`
	Commit    string         `json:"commit"` // what serves now; before the first release serves, what is being prepared
	Size      Size           `json:"size"`
	Desire    Desire         `json:"-"`
	Restarts  map[string]int `json:"-"` // by element: counts the restarts a person asked for
	Rest      Rest           `json:"rest,omitzero"`
	CreatedAt time.Time      `json:"createdAt"`

	Phase    Phase           `json:"phase"`
	Message  string          `json:"message,omitempty"` // why, in a sentence, when the phase is not running
	Hosts    []Host          `json:"hosts"`
	Domains  []Domain        `json:"domains,omitempty"` // filled in where one deployment is shown
	Idle     *Idleness       `json:"idle,omitempty"`    // the same, while it runs
	SSH      []SSHCommand    `json:"ssh"`
	Elements []ElementStatus `json:"elements,omitempty"`
	Volumes  []Volume        `json:"volumes,omitempty"`
	Releases []Release       `json:"releases,omitempty"`
}

// SSHCommand is the exact command that opens a shell in an element.
type SSHCommand struct {
	Element string `json:"element"`
	Command string `json:"command"`
}

// Observed is what the reconciler last saw of a deployment; the phase is computed from it.
type Observed struct {
	At        time.Time        `json:"at"`
	Step      string           `json:"step,omitempty"`  // what is going on, for people: "cloning main", "building web"
	Error     string           `json:"error,omitempty"` // why the last turn could not go on
	Elements  []ElementStatus  `json:"elements"`
	Instances []InstanceStatus `json:"instances,omitempty"`
	Core      string           `json:"core,omitempty"` // address of its core container; empty before it has one
	// Crashes counts, by instance hash, the ends of instances that were wanted at the time.
	Crashes map[string]int `json:"crashes,omitempty"`
}

// NewDeployment asks for a deployment.
type NewDeployment struct {
	Name   string            `json:"name"`
	Stage  string            `json:"stage"`
	Branch string            `json:"branch,omitempty"` // default: the project's
	Size   Size              `json:"size,omitempty"`
	Set    map[string]string `json:"set,omitempty"` // "element.KEY" → value; never a secret
}
