package berth

import (
	"context"
	"errors"
	"time"
)

// Upstream is where a project's commits come from, and what opens it.
type Upstream struct {
	URL      string
	Token    Secret   // over HTTPS
	Key      Secret   // private half of a deploy key, over SSH
	HostKeys []string // that the SSH host may show, "ssh-ed25519 AAAA…"; none: the first one that it shows
}

// Fetched is what a fetch found out, as far as it came.
type Fetched struct {
	DefaultBranch string
	HostKeys      []string // what the SSH host has shown, to be expected from now on
}

// What may be behind the error of a fetch.
var (
	ErrRefused = errors.New("the origin refuses access")
	ErrHostKey = errors.New("the origin's host key is not the expected one")
	// ErrDiverged is of moving a history out only.
	ErrDiverged = errors.New("the origin has another history of a branch or tag")
)

// Access is how a project reaches an origin that is not public.
type Access struct {
	// Waiting says what the project waits for: Berth cannot read its origin yet, and tries until it can.
	Waiting   string    `json:"waiting,omitempty"`
	Obstacle  Obstacle  `json:"obstacle,omitempty"`  // of Waiting
	Since     time.Time `json:"since,omitzero"`      // it waits
	DeployKey string    `json:"deployKey,omitempty"` // public half, as forges take it
	KeyPage   string    `json:"keyPage,omitempty"`   // where the forge takes it, in words or as a URL
	HostKeys  []string  `json:"hostKeys,omitempty"`  // that the SSH host may show
	// MovesTo is the origin that the history of Berth's own repository waits to move to; until it has, the
	// repository stays Berth's own.
	MovesTo string `json:"movesTo,omitempty"`
}

// Obstacle is why an origin cannot be read.
type Obstacle string

const (
	ObstacleRefused     Obstacle = "refused"     // it does not accept the deploy key
	ObstacleHostKey     Obstacle = "hostKey"     // it is not the host that it was
	ObstacleDiverged    Obstacle = "diverged"    // it has another history of a branch or tag
	ObstacleUnreachable Obstacle = "unreachable" // it does not answer, or something else is wrong
)

// Connection says where a project's commits come from now on. What is empty stays as it is.
type Connection struct {
	GitURL   string `json:"gitUrl,omitempty"`
	GitToken Secret `json:"-"` // travels in its own field of the request
	// AcceptHostKey forgets which keys the SSH host had: the next one that it shows is expected from then on.
	AcceptHostKey bool `json:"acceptHostKey,omitempty"`
}

// SourceService is about where projects' commits come from.
type SourceService interface {
	// ConnectProject changes a project's origin, or how it is opened, and tries it at once. Where access is
	// refused, the project waits: see Access. What Berth's own repository has is pushed to the new origin first,
	// and overwrites nothing there: EConflict.
	ConnectProject(ctx context.Context, project string, c Connection) (Project, error)
	// OriginState says how a project and the host of its commits get on; nothing of Berth's own repositories.
	OriginState(ctx context.Context, project string) (OriginState, error)
}
