package berth

import (
	"context"
	"time"
)

// HookService is about being told by a Git host that a branch moved.
type HookService interface {
	// Hook shows how a project is told.
	Hook(ctx context.Context, project string) (Hook, error)
	// RotateHook makes a new URL and a new secret, which is shown this once. The former ones end. EConflict for a
	// project with a repository of Berth's own.
	RotateHook(ctx context.Context, project string) (Hook, Secret, error)
}

// Hook is the webhook of a project.
type Hook struct {
	URL       string    `json:"url,omitempty"`  // to be given to the Git host; empty: there is none yet
	Page      string    `json:"page,omitempty"` // where it is given, if that is known
	CreatedAt time.Time `json:"createdAt,omitzero"`
	HeardAt   time.Time `json:"heardAt,omitzero"` // of the last delivery that was authentic
	Heard     string    `json:"heard,omitempty"`  // what it said, for people
}

// StoredHook is a Hook as the store has it. Nobody is shown one.
type StoredHook struct {
	Project   ID
	Path      string // the secret part of the URL
	Sealed    []byte // the secret that deliveries are signed with
	CreatedAt time.Time
	HeardAt   time.Time
	Heard     string
}
