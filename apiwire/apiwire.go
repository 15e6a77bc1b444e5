// Package apiwire is what travels between Berth's HTTP API and its clients where that is not simply a
// noun of package berth: requests, answers that carry a secret, problems, and the frames of a terminal.
// Both sides import it, so that they cannot drift apart.
//
// It must not know who sends, and holds no behaviour but encoding.
package apiwire

import (
	"time"

	"github.com/berth-dev/berth"
)

// Prefix is where every route but /openapi.json and /healthz lives.
const Prefix = "/api/v1"

// BundleType is the content type of an uploaded git bundle.
const BundleType = "application/x-git-bundle"

// NewProject asks for a project.
type NewProject struct {
	Name     string `json:"name" example:"guestbook" doc:"Lower-case letters, digits and single hyphens"`
	GitURL   string `json:"gitUrl,omitempty" example:"https://github.com/owner/repository.git" doc:"Where the commits come from; empty for Berth's own repository"`
	GitToken string `json:"gitToken,omitempty" doc:"Opens a repository that is not public; stored sealed and never shown again"`
}

// Name is a new name for something.
type Name struct {
	Name string `json:"name" example:"guestbook"`
}

// Branch names a branch that a deployment shall follow.
type Branch struct {
	Branch string `json:"branch" example:"main" doc:"Without refs/heads/"`
}

// BranchProtection says whether pushes may rewrite or delete a branch.
type BranchProtection struct {
	Branch    string `json:"branch" example:"main" doc:"Without refs/heads/"`
	Protected bool   `json:"protected"`
}

// Rollback says which release to go back to.
type Rollback struct {
	Revision int `json:"revision,omitempty" minimum:"0" doc:"Empty: what served before what serves now"`
}

// Promote says whose images to take.
type Promote struct {
	From string `json:"from" example:"staging-guestbook" doc:"A deployment of the same project"`
}

// Restart says what to restart.
type Restart struct {
	Element string `json:"element,omitempty" doc:"Empty: all components"`
}

// Deploy says what to deploy.
type Deploy struct {
	Commit string `json:"commit,omitempty" doc:"Empty: the newest of the deployment's branch"`
}

// SetEnvironment gives parameters values.
type SetEnvironment struct {
	Values  map[string]string `json:"values,omitempty" doc:"Stored in plain, unless the stack calls the parameter a secret"`
	Secrets map[string]string `json:"secrets,omitempty" doc:"Stored sealed and never shown again"`
}

// UnsetEnvironment takes values back.
type UnsetEnvironment struct {
	Names []string `json:"names" doc:"Parameters whose values the level below gives again"`
}

// NewLoginLink asks for a login link.
type NewLoginLink struct {
	Person string `json:"person,omitempty" doc:"Empty: the caller"`
}

// LoginLink is a link with its secret, shown once.
type LoginLink struct {
	URL       string    `json:"url"`
	Person    string    `json:"person"`
	ExpiresAt time.Time `json:"expiresAt"`
	Install   string    `json:"install,omitempty" doc:"A command that installs the command line on another machine"`
}

// Login exchanges a login link's secret for a token.
type Login struct {
	Secret string `json:"secret" example:"secret"`
}

// NewToken asks for an API token.
type NewToken struct {
	Name       string `json:"name" example:"ci"`
	TTLSeconds int64  `json:"ttlSeconds,omitempty" doc:"At most a year; 0: 90 days"`

	Role berth.Role `json:"role,omitempty" doc:"The most that it lets its person do: viewer, developer or owner; empty: all that the person may"`
}

// CreatedToken is a token with its secret, shown once.
type CreatedToken struct {
	Token     berth.Token `json:"token"`
	Secret    string      `json:"secret"`
	CA        string      `json:"ca,omitempty" doc:"PEM of the server's own certificate authority, after a login"`
	ServerURL string      `json:"serverUrl,omitempty"`
}

// LogItem is one line of a log stream, or why it ends.
type LogItem struct {
	berth.LogLine
	Error *Problem `json:"error,omitempty"`
}

// RequestItem is one line of a stream of requests, or why it ends.
type RequestItem struct {
	berth.Request
	Error *Problem `json:"error,omitempty"`
}

// Problem is an error as RFC 9457 writes it, with Berth's code and field.
type Problem struct {
	Type   string     `json:"type"`
	Title  string     `json:"title"`
	Status int        `json:"status"`
	Detail string     `json:"detail"`
	Code   berth.Code `json:"code"`
	Field  string     `json:"field,omitempty"`
}

// ProblemType is the content type of a Problem.
const ProblemType = "application/problem+json"

// Err is the error that the problem tells of.
func (p Problem) Err() error {
	return &berth.Error{Code: p.Code, Message: p.Detail, Field: p.Field}
}

// MigrateStorage says which kind of store volumes shall move to.
type MigrateStorage struct {
	To berth.StorageKind `json:"to,omitempty" example:"btrfs" doc:"directories, btrfs or xfs; empty: the one that measures best"`
}
