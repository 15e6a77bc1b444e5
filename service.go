package berth

import (
	"context"
	"io"
	"iter"
	"time"
)

// Service is every verb of Berth for one caller. The server implements it (control and
// session, bound to a caller); the client implements it over HTTP, so that the CLI and
// the tests drive the same contract on both sides of the wire.
//
// ref is a deployment's slug, or its bare name where only one deployment the caller may
// see has it. project is a project's name. What the caller may not see is ENotFound.
// Every method may return EUnauthenticated, EForbidden and ENotFound.
type Service interface {
	ServerService
	PeopleService
	LoginService
	ProjectService
	SourceService
	RegistryService
	ProjectFileService
	DeploymentService
	RestService
	PlanService
	EnvironmentService
	SharedService
	ReleaseService
	StreamService
	StorageService
	BuildCacheService
	MailService
	BranchService
	DomainService
	HostService
	HookService
	DeployHookService
	KeyService
}

// ServerService is about the server and who is asking.
type ServerService interface {
	Whoami(ctx context.Context) (Whoami, error)
	// CA returns the PEM of the server's local certificate authority.
	CA(ctx context.Context) (string, error)
	// Metrics is what there is to measure about the server, in Prometheus' text format; for owners.
	Metrics(ctx context.Context) (string, error)
	// CreateLoginLink makes a one-time link for a person (empty: the caller), valid for 15 minutes.
	CreateLoginLink(ctx context.Context, person string) (LoginLink, error)
	// CreateToken makes an API token of the caller; the secret is shown this once. A token with a role cannot
	// make others, nor change anything else that lets its person in.
	CreateToken(ctx context.Context, t NewToken) (Token, Secret, error)
	Tokens(ctx context.Context) ([]Token, error)
	DeleteToken(ctx context.Context, id ID) error
	// Packages lists the built-in catalogue.
	Packages(ctx context.Context) ([]PackageInfo, error)
	Package(ctx context.Context, name string) (PackageInfo, error)
}

// PeopleService is about who may do what. Only owners invite and change roles, so that nobody gives more than they
// have. What a person's removal, or the end of a role, takes away ends at once: tokens, logins, and what streams.
type PeopleService interface {
	// Persons lists everybody, by name.
	Persons(ctx context.Context) ([]PersonInfo, error)
	// InvitePerson makes a person, with a role on the server or on one project, and a link that lets them in once
	// within a day. For who has not come yet it makes a new link in place of the one before.
	InvitePerson(ctx context.Context, in Invitation) (LoginLink, error)
	// SetPersonRole gives a person a role on the server; RoleNone leaves their memberships only. EConflict where
	// the server would be left without an owner.
	SetPersonRole(ctx context.Context, name string, role Role) (Person, error)
	// RemovePerson is EConflict for the last owner.
	RemovePerson(ctx context.Context, name string) error

	// Members lists who may see a project, by name: by a membership, or by a role on the server.
	Members(ctx context.Context, project string) ([]Member, error)
	// PutMember gives a person a role on a project, in place of the one before.
	PutMember(ctx context.Context, project, person string, role Role) (Member, error)
	DeleteMember(ctx context.Context, project, person string) error
}

// LoginService is about how the caller comes in with a browser.
type LoginService interface {
	// Logins lists the caller's logins, the one used last first.
	Logins(ctx context.Context) ([]Login, error)
	DeleteLogin(ctx context.Context, id ID) error
	// DeleteOtherLogins ends all but the one that asks.
	DeleteOtherLogins(ctx context.Context) error
	// ChangePassword needs the password before, unless there is none, and ends all logins but the one that asks.
	// A login link is the other way: it lets its person choose a new one.
	ChangePassword(ctx context.Context, before, password Secret) error
}

// ProjectService is about projects and their sources.
type ProjectService interface {
	CreateProject(ctx context.Context, p NewProject) (Project, error)
	// ImportRepository replaces the content of a project's own repository by a git bundle
	// (git-bundle(1)) that the caller made from a local repository. EInvalid for a project with a GitURL.
	ImportRepository(ctx context.Context, project string, bundle io.Reader) (Project, error)
	Projects(ctx context.Context) ([]Project, error)
	Project(ctx context.Context, project string) (Project, error)
	// RenameProject and RenameDeployment change names only: slugs and hosts stay.
	RenameProject(ctx context.Context, project, name string) (Project, error)
	// DeleteProject is EConflict while the project has deployments.
	DeleteProject(ctx context.Context, project string) error
}

// DeploymentService is about the life of a deployment.
type DeploymentService interface {
	// CreateDeployment returns as soon as the wish is stored; the reconciler does the work.
	CreateDeployment(ctx context.Context, project string, d NewDeployment) (Deployment, error)
	// Deployments lists those of one project, or of all with an empty project.
	Deployments(ctx context.Context, project string) ([]Deployment, error)
	Deployment(ctx context.Context, ref string) (Deployment, error)
	RenameDeployment(ctx context.Context, ref, name string) (Deployment, error)
	// RestartElement replaces the element's instances; an empty element means all components.
	RestartElement(ctx context.Context, ref, element string) (Deployment, error)
	StopDeployment(ctx context.Context, ref string) (Deployment, error)
	StartDeployment(ctx context.Context, ref string) (Deployment, error)
	// DeleteDeployment marks it; its containers, network, images and volumes follow. Asking again is no error.
	DeleteDeployment(ctx context.Context, ref string) error
	// Describe returns what the engine was given for an element (or all), secrets masked, as YAML.
	Describe(ctx context.Context, ref, element string) (string, error)
}

// EnvironmentService is about parameters.
type EnvironmentService interface {
	// Environment lists an element's parameters with their origin; secrets have no value.
	Environment(ctx context.Context, ref, element string) ([]Parameter, error)
	// SetEnvironment gives deployment-level values, in one release. A name that the stack calls
	// a secret, and every value sent in secrets, goes to the vault.
	SetEnvironment(ctx context.Context, ref, element string, values map[string]string, secrets map[string]Secret) error
	UnsetEnvironment(ctx context.Context, ref, element string, names []string) error
	// RevealEnvironment is Environment with the values of secrets. It is for owners, and recorded.
	RevealEnvironment(ctx context.Context, ref, element string) ([]Parameter, error)
}

// BranchService is about branches and what follows them.
type BranchService interface {
	// FollowBranch has a deployment of a build stage follow another branch, and deploys its newest commit.
	FollowBranch(ctx context.Context, ref, branch string) (Deployment, error)
	// ProtectBranch has pushes to the project's own repository neither rewrite nor delete a branch, or again
	// let them. Asking again is no error.
	ProtectBranch(ctx context.Context, project, branch string, protect bool) (Project, error)
}

// ReleaseService is about builds and releases.
type ReleaseService interface {
	// Deploy makes a release of a commit (empty: the branch's newest, fetched first).
	Deploy(ctx context.Context, ref, commit string) (Release, error)
	// Rebuild makes a release of the commit that a deployment runs, whose images are all built anew: without any
	// cache, upon what their base images are now.
	Rebuild(ctx context.Context, ref string) (Release, error)
	// Rollback makes a release of exactly what an earlier one ran (zero: what served before what serves now),
	// without building anything. Only what has served can be gone back to.
	Rollback(ctx context.Context, ref string, revision int) (Release, error)
	// Promote makes a release of what another deployment of the project serves, of the images that are there.
	Promote(ctx context.Context, from, to string) (Release, error)
	Releases(ctx context.Context, ref string) ([]Release, error)
	Builds(ctx context.Context, ref string) ([]Build, error)
	CancelBuild(ctx context.Context, ref string, build ID) error
	// BuildLog returns the stored log of a build, following it while it runs when follow is set.
	BuildLog(ctx context.Context, ref string, build ID, follow bool) (io.ReadCloser, error)
}

// StreamService is about what flows while somebody watches.
type StreamService interface {
	// Logs yields lines oldest first. It ends at the present unless q.Follow is set.
	Logs(ctx context.Context, ref string, q LogQuery) iter.Seq2[LogLine, error]
	// Requests yields what a deployment's hosts were asked, in the order in which it was answered: what is
	// kept, and new ones while q.Follow is set.
	Requests(ctx context.Context, ref string, q LogQuery) iter.Seq2[Request, error]
	// Events yields events with Seq > q.After, then new ones while q.Follow is set.
	Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error]
	// Exec runs a command in a container and returns its exit code once its output has been delivered.
	Exec(ctx context.Context, ref string, x Exec) (int, error)
}

// Whoami says who is asking whom.
type Whoami struct {
	Person string `json:"person"`
	Role   Role   `json:"role,omitempty"`
	// Limit is the most that the token lets its person do; empty: all that the person may.
	Limit       Role          `json:"limit,omitempty"`
	Memberships []ProjectRole `json:"memberships,omitempty"`
	ServerURL   string        `json:"serverUrl"`
	ConsoleURL  string        `json:"consoleUrl"`
	// Address is the server's own, for whoever asks on its machine: the names need not lead there.
	Address string `json:"address,omitempty"`
	// SSH is where the server answers SSH.
	SSH     SSHServer `json:"ssh,omitzero"`
	Version string    `json:"version"`
	// Claimed: somebody has logged in. Until then only the server's own machine can ask.
	Claimed bool `json:"claimed"`
}

// LoginLink is used once. Its text carries the CA's fingerprint, so the first connection is verified.
type LoginLink struct {
	URL       Secret    `json:"-"`
	Person    string    `json:"person"`
	ExpiresAt time.Time `json:"expiresAt"`
	// Install is a command that installs the command line on another machine; empty where there is none.
	Install string `json:"install,omitempty"`
}

// PackageInfo describes a package of the built-in catalogue.
type PackageInfo struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Kind        string `json:"kind"` // component or addon
	Version     string `json:"version"`
	Readme      string `json:"readme,omitempty"`
	File        string `json:"file,omitempty"` // its diploi.yaml
}

// LogQuery selects log lines.
type LogQuery struct {
	Element  string        `json:"element,omitempty"` // empty: all
	Since    time.Duration `json:"since,omitempty"`   // how far back; zero: everything kept
	Tail     int           `json:"tail,omitempty"`    // newest n lines; zero: all
	Follow   bool          `json:"follow,omitempty"`
	Previous bool          `json:"previous,omitempty"` // the run before the present one
	Instance string        `json:"-"`                  // empty: all
}

// LogLine is one line a container wrote.
type LogLine struct {
	Time      time.Time `json:"time"`
	Element   string    `json:"element"`
	Instance  string    `json:"instance"`
	Container string    `json:"container,omitempty"`
	Stream    string    `json:"stream"` // stdout or stderr
	Text      string    `json:"text"`
}

// EventQuery selects events.
type EventQuery struct {
	Deployment string `json:"deployment,omitempty"` // ref; empty: everything the caller may see
	After      int64  `json:"after,omitempty"`
	Limit      int    `json:"limit,omitempty"` // of past events, the newest; default 100
	Follow     bool   `json:"follow,omitempty"`
}

// Exec is a command to run in a container of a deployment.
type Exec struct {
	Element string   // empty: the default element
	Command []string // never empty; never a shell string
	TTY     bool
	Width   int // initial terminal size, with TTY
	Height  int
	Stdin   io.Reader // nil: no input
	Stdout  io.Writer
	Stderr  io.Writer         // unused with TTY
	Resize  <-chan WindowSize // nil: never
}

// WindowSize is a terminal's size in cells.
type WindowSize struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}
