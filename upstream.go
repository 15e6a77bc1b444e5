package berth

import (
	"context"
	"errors"
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
)

// Access is how a project reaches an origin that is not public.
type Access struct {
	// Waiting says what the project waits for: Berth cannot read its origin yet, and tries until it can.
	Waiting   string   `json:"waiting,omitempty"`
	Obstacle  Obstacle `json:"obstacle,omitempty"`  // of Waiting
	DeployKey string   `json:"deployKey,omitempty"` // public half, as forges take it
	KeyPage   string   `json:"keyPage,omitempty"`   // where the forge takes it, in words or as a URL
	HostKeys  []string `json:"hostKeys,omitempty"`  // that the SSH host may show
}

// Obstacle is why an origin cannot be read.
type Obstacle string

const (
	ObstacleRefused     Obstacle = "refused"     // it does not accept the deploy key
	ObstacleHostKey     Obstacle = "hostKey"     // it is not the host that it was
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
	// refused, the project waits: see Access.
	ConnectProject(ctx context.Context, project string, c Connection) (Project, error)
	// OriginState says how a project and the host of its commits get on; nothing of Berth's own repositories.
	OriginState(ctx context.Context, project string) (OriginState, error)
}
