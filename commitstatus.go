package berth

import "time"

// CommitState is what a Git host shows beside a commit.
type CommitState string

const (
	CommitPending   CommitState = "pending"
	CommitSuccess   CommitState = "success"
	CommitFailure   CommitState = "failure"
	CommitCancelled CommitState = "cancelled" // overtaken before it served
)

// CommitStatus is what is reported of a commit to the Git host that it comes from.
type CommitStatus struct {
	Commit      string
	State       CommitState
	Context     string // one host shows the newest status of each
	Description string // at most 140 characters; everybody who sees the commit reads it
	URL         string // where it leads, empty for nowhere
}

// CommitReport is a release whose state its Git host has not been told yet.
type CommitReport struct {
	Release    ID
	Deployment Deployment // its ids and slug
	Revision   int
	Commit     string
	State      CommitState
	Newest     bool // of its deployment
}

// OriginState is how a project and the host of its commits get on.
type OriginState struct {
	HeardAt     time.Time `json:"heardAt,omitzero"`      // when its webhook last delivered something authentic
	MissedAt    time.Time `json:"missedAt,omitzero"`     // when something had moved that it had not told of
	PolledAt    time.Time `json:"polledAt,omitzero"`     // when the origin was last looked at
	NextPollAt  time.Time `json:"nextPollAt,omitzero"`   // when that is due again, unless the webhook tells before
	PollError   string    `json:"pollError,omitempty"`   // what went wrong with it
	ReportedAt  time.Time `json:"reportedAt,omitzero"`   // when the host last took the status of a commit
	ReportError string    `json:"reportError,omitempty"` // why it has not taken one since
}
