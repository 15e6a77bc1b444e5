package berth

import (
	"cmp"
	"time"
)

// Project is a repository with its stack, deployments and shared settings.
type Project struct {
	ID            ID        `json:"id"`
	Name          string    `json:"name"`
	GitURL        string    `json:"gitUrl,omitempty"` // external origin without credentials; empty: Berth's own repository
	DefaultBranch string    `json:"defaultBranch"`
	Stages        []Stage   `json:"stages"`
	CreatedAt     time.Time `json:"createdAt"`
	Deleting      bool      `json:"deleting,omitempty"`
	Access        Access    `json:"access,omitzero"`
	// Protected are branches of Berth's own repository that a push may neither rewrite nor delete.
	Protected []string `json:"protected,omitempty"`
	// GitToken refers to the vault secret that opens GitURL; empty for public repositories.
	GitToken ID `json:"-"`
	// DeployKey refers to the vault secret that is the private half of Access.DeployKey; empty: there is none.
	DeployKey ID `json:"-"`
}

// Origin is the repository elsewhere that a project reads, or waits to move to; empty for one that stays Berth's own.
func (p Project) Origin() string { return cmp.Or(p.GitURL, p.Access.MovesTo) }

// NewProject asks for a project. Exactly one of GitURL and Bundle is set, or neither for an empty repository.
type NewProject struct {
	Name     string `json:"name"`
	GitURL   string `json:"gitUrl,omitempty"`
	GitToken Secret `json:"-"` // travels in its own field of the request, never in the URL
}
