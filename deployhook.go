package berth

import (
	"context"
	"errors"
	"time"
)

// DeployHookService is about the URL by which whoever knows it, a CI say, has a deployment deployed.
type DeployHookService interface {
	// DeployHook shows what is known of a deployment's URL but the URL itself, which is not kept.
	DeployHook(ctx context.Context, ref string) (DeployHook, error)
	// RotateDeployHook makes a new URL, which is shown this once. The former one ends. EConflict for a development
	// deployment, which runs its working tree.
	RotateDeployHook(ctx context.Context, ref string) (DeployHook, Secret, error)
	// DeleteDeployHook ends the URL. Asking again is no error.
	DeleteDeployHook(ctx context.Context, ref string) error
}

// DeployHook is the URL of a deployment by which it is deployed.
type DeployHook struct {
	Deployment string    `json:"deployment"`         // slug
	CreatedAt  time.Time `json:"createdAt,omitzero"` // zero: there is none
	UsedAt     time.Time `json:"usedAt,omitzero"`    // when it last deployed something
	Revision   int       `json:"revision,omitempty"` // of the release that it then made
}

// StoredDeployHook is a DeployHook as the store has it.
type StoredDeployHook struct {
	Deployment ID
	Hash       []byte // of the token in the URL
	CreatedAt  time.Time
	UsedAt     time.Time
	Revision   int
}

// HookDeployed is what a deploy hook answers.
type HookDeployed struct {
	Deployment string       `json:"deployment"` // slug
	Revision   int          `json:"revision"`
	Commit     string       `json:"commit"`
	State      ReleaseState `json:"state"`
	URL        string       `json:"url,omitempty"` // where the deployment answers, if it has a public host
	Log        string       `json:"log"`           // the builds' logs, for whoever has a token of the API
}

// ErrTooOften is behind the error of what was asked for more often than it is done.
var ErrTooOften = errors.New("asked too often")
