package berth

import "time"

// Event is what happened, when, by whom. It never holds a secret.
type Event struct {
	Seq        int64     `json:"seq"`
	Time       time.Time `json:"time"`
	Project    ID        `json:"project,omitempty"`
	Deployment ID        `json:"deployment,omitempty"`
	Slug       string    `json:"slug,omitempty"`
	Element    string    `json:"element,omitempty"`
	Person     string    `json:"person,omitempty"` // name; empty: Berth itself
	Kind       string    `json:"kind"`             // noun.verb: "deployment.created", "release.failed", "instance.exited"
	Message    string    `json:"message"`
}
