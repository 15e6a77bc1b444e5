package berth

import "time"

// BuildState moves forward only.
type BuildState string

const (
	BuildQueued    BuildState = "queued"
	BuildRunning   BuildState = "running"
	BuildSucceeded BuildState = "succeeded"
	BuildFailed    BuildState = "failed"
	BuildCancelled BuildState = "cancelled"
)

// Done reports whether the build ended.
func (s BuildState) Done() bool {
	return s == BuildSucceeded || s == BuildFailed || s == BuildCancelled
}

// Build is one commit and one element made into one image.
type Build struct {
	ID         ID         `json:"id"`
	Project    ID         `json:"-"`
	Deployment ID         `json:"-"`
	Release    ID         `json:"-"`
	Element    string     `json:"element"`
	Commit     string     `json:"commit"`
	Key        string     `json:"-"` // content hash of everything that goes in; equal keys share an image
	State      BuildState `json:"state"`
	Image      string     `json:"image,omitempty"`
	Message    string     `json:"message,omitempty"` // why it failed, for people
	CreatedAt  time.Time  `json:"createdAt"`
	Attempts   int        `json:"-"` // how often the builder, not the Dockerfile, failed it
	StartedAt  time.Time  `json:"startedAt,omitzero"`
	EndedAt    time.Time  `json:"endedAt,omitzero"`
	// Spec is what the builder needs, as the release recorded it (JSON).
	Spec []byte `json:"-"`
}
