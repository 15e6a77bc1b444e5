package berth

import "time"

// ReleaseState: pending → building → starting → serving → superseded, or failed from any of the first three.
type ReleaseState string

const (
	ReleasePending    ReleaseState = "pending"
	ReleaseBuilding   ReleaseState = "building"
	ReleaseStarting   ReleaseState = "starting"
	ReleaseServing    ReleaseState = "serving"
	ReleaseSuperseded ReleaseState = "superseded"
	ReleaseFailed     ReleaseState = "failed"
)

// CauseRebuild is the cause of a release that takes no image of an earlier build.
const CauseRebuild = "rebuild"

// CauseRollback is the cause of a release that runs what an earlier one ran.
const CauseRollback = "rollback"

// Release is revision n of a deployment: what to run, fixed for ever.
type Release struct {
	ID         ID           `json:"id"`
	Deployment ID           `json:"-"`
	Revision   int          `json:"revision"`
	State      ReleaseState `json:"state"`
	Commit     string       `json:"commit"`
	Cause      string       `json:"cause"`             // "created", "push", "env set", "restart": why it was made
	Message    string       `json:"message,omitempty"` // why it failed, for people
	Step       string       `json:"step,omitempty"`    // what is being done for it now, for people: "cloning main", "building web"
	CreatedAt  time.Time    `json:"createdAt"`
	StartingAt time.Time    `json:"startingAt,omitzero"` // when its images and objects were complete
	ServingAt  time.Time    `json:"servingAt,omitzero"`
	// Elements is what the release runs, fixed once its images are known; nil before.
	Elements []ReleaseElement `json:"-"`
	// Hashes are the instance hashes of this release by "<element>/<workload>", recorded when it
	// began to serve. Ingress routes to instances with these hashes only.
	Hashes map[string]string `json:"-"`
}

// Complete reports whether the release's images and objects are all there, so that it can run.
func (r Release) Complete() bool { return !r.StartingAt.IsZero() }

// ReleaseElement is one element of a release as the engine will get it.
// Objects are the rendered Kubernetes objects with secret tokens in place of secrets.
type ReleaseElement struct {
	Identifier string        `json:"identifier"`
	Kind       ElementKind   `json:"kind"`
	Name       string        `json:"name"`
	Image      string        `json:"image,omitempty"`
	Objects    []byte        `json:"objects"` // JSON, see chart.Marshal
	Routes     []Route       `json:"routes,omitempty"`
	Services   []ServiceName `json:"services,omitempty"`
	Volumes    []Volume      `json:"volumes,omitempty"`
	// Workloads says how many instances of each controller object make the element ready.
	Workloads map[string]int `json:"workloads,omitempty"`
	Health    *Health        `json:"health,omitempty"`
	Secrets   []ID           `json:"secrets,omitempty"` // versions the tokens refer to
	Restarts  int            `json:"restarts,omitempty"`
	// Parameters are the element's resolved parameters, with tokens in place of secrets.
	Parameters []Parameter `json:"parameters,omitempty"`
}

// PreDeploy is the workload that runs a project's berth.preDeploy: once in a release, before anything of it starts.
const PreDeploy = "berth-pre-deploy"

// Health is how a project says an element is ready (berth.health).
// At most one of Path, Command and Port is set.
type Health struct {
	Path    string        `json:"path,omitempty"`
	Command []string      `json:"command,omitempty"`
	Port    int           `json:"port,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"` // how long an instance may take to become ready
}
