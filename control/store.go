package control

import (
	"context"
	"io"
	"time"

	"github.com/berth-dev/berth"
)

// Store is what the verbs need of the database. Update's function runs in one transaction, and what it
// wrote is announced after the commit.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx reads and writes within one transaction. Reads with a Scope return ENotFound for what lies outside of it.
type Tx interface {
	Now() time.Time

	CreateProject(p berth.Project) error
	UpdateProject(p berth.Project) error
	Project(scope berth.Scope, name string) (berth.Project, error)
	ProjectByID(scope berth.Scope, id berth.ID) (berth.Project, error)
	Projects(scope berth.Scope) ([]berth.Project, error)
	DeleteProject(id berth.ID) error
	// ProjectFile is the file kept in the place of one that a commit has not got.
	ProjectFile(project berth.ID) (f berth.ProjectFile, ok bool, err error)
	PutProjectFile(project berth.ID, f berth.ProjectFile) error

	CreateDeployment(d berth.Deployment) error
	UpdateDeployment(d berth.Deployment) error
	Deployment(scope berth.Scope, ref string) (berth.Deployment, error)
	DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error)
	Deployments(scope berth.Scope, project berth.ID) ([]berth.Deployment, error)
	// ListVersion differs wherever a list of deployments may differ.
	ListVersion() (string, error)
	SlugTaken(slug string) (bool, error)
	Observed(deployment berth.ID) (berth.Observed, error)
	ObservedAll(scope berth.Scope) (map[berth.ID]berth.Observed, error)
	Volumes(deployment berth.ID) ([]berth.Volume, error)
	DeleteVolume(deployment berth.ID, element, identifier string) error

	CreateRelease(r berth.Release) (berth.Release, error)
	Release(id berth.ID) (berth.Release, error)
	// Releases, LatestReleases and ServingReleases leave out what a release runs; Release has it.
	Releases(deployment berth.ID, limit int) ([]berth.Release, error)
	ServingRelease(deployment berth.ID) (r berth.Release, ok bool, err error)
	LatestReleases(scope berth.Scope) (map[berth.ID]berth.Release, error)
	ServingReleases(scope berth.Scope) (map[berth.ID]berth.Release, error)

	// Stack is that of the newest release that has one and has not failed.
	Stack(deployment berth.ID) (stack []byte, ok bool, err error)
	PutStack(release berth.ID, stack []byte) error
	// SavedFile is the hash of the project file that a working tree was last seen with.
	SavedFile(deployment berth.ID) (hash string, err error)
	PutSavedFile(deployment berth.ID, hash string) error

	// Followed is the head of its branch that a deployment has acted upon.
	Followed(deployment berth.ID) (head string, ok bool, err error)
	PutFollowed(deployment berth.ID, head string) error

	PutHook(h berth.StoredHook) error
	Hook(project berth.ID) (h berth.StoredHook, ok bool, err error)
	HookByPath(path string) (berth.StoredHook, error)
	// HearHook reports whether a delivery is the first with its hash since a time.
	HearHook(project berth.ID, hash, heard string, since time.Time) (first bool, err error)

	PutDeployHook(h berth.StoredDeployHook) error
	DeployHook(deployment berth.ID) (h berth.StoredDeployHook, ok bool, err error)
	DeployHookOf(slug string) (h berth.StoredDeployHook, ok bool, err error)
	UseDeployHook(deployment berth.ID, revision int) error
	DeleteDeployHook(deployment berth.ID) error

	// CommitReports are the releases of a deployment, or of all, whose state their Git host does not know.
	CommitReports(deployment berth.ID) ([]berth.CommitReport, error)
	PutReported(release berth.ID, state berth.CommitState) error
	ReportAgain(project berth.ID) error
	OriginState(project berth.ID) (berth.OriginState, error)
	PutPolled(project berth.ID, o berth.OriginState) error
	PutReportOutcome(project berth.ID, failed string) error

	AddDomain(d berth.Domain) error
	UpdateDomain(d berth.Domain) error
	DeleteDomain(d berth.Domain) error
	ProjectDomains(project berth.ID) ([]berth.Domain, error)
	Domains(deployment berth.ID) ([]berth.Domain, error)
	AllDomains() ([]berth.Domain, error)
	Domain(name string) (berth.Domain, error)
	Hosts(deployment berth.ID) ([]berth.Host, error)
	Protections(deployment berth.ID) ([]berth.Protection, error)
	RenameHost(from, to string, until time.Time) error
	PutProtections(deployment berth.ID, list []berth.Protection) error

	UpdateBuild(b berth.Build) error
	BuildOf(deployment, id berth.ID) (berth.Build, error)
	Builds(deployment berth.ID) ([]berth.Build, error)

	PutSetting(s berth.Setting) error
	DeleteSetting(deployment berth.ID, element, name string) error
	Settings(deployment berth.ID) ([]berth.Setting, error)
	SharedSettings(project berth.ID) ([]berth.Setting, error)
	PutSharedSetting(project berth.ID, s berth.Setting) error
	DeleteSharedSetting(project berth.ID, name string) error
	PutSecret(owner, id berth.ID, sealed []byte) (version int, err error)
	// SecretOf is ENotFound for a secret that belongs to neither.
	SecretOf(deployment, project, id berth.ID, version int) (sealed []byte, err error)
	LatestSecret(id berth.ID) (version int, sealed []byte, err error)

	CreatePerson(p berth.Person) error
	UpdatePerson(p berth.Person) error
	DeletePerson(id berth.ID) error
	Person(id berth.ID) (berth.Person, error)
	PersonByName(name string) (berth.Person, error)
	Persons() ([]berth.Person, error)
	// FirstOwner is the owner of the server who has been a person longest.
	FirstOwner() (p berth.Person, ok bool, err error)
	// Password is the hash of a person's password, or nothing.
	Password(person berth.ID) (hash string, err error)
	PutPassword(person berth.ID, hash string) error

	RoleOn(person, project berth.ID) (berth.Role, error)
	PutMembership(m berth.Membership) error
	DeleteMembership(person, project berth.ID) error
	Memberships(project berth.ID) ([]berth.Membership, error)
	MembershipsOf(person berth.ID) ([]berth.ProjectRole, error)
	AllMemberships() (map[berth.ID][]berth.ProjectRole, error)

	CreateLoginLink(hash []byte, person, maker berth.ID, expires time.Time) error
	LoginLink(hash []byte, now time.Time) (person berth.ID, expires time.Time, err error)
	TakeLoginLink(hash []byte, now time.Time) (person berth.ID, err error)
	DeleteLoginLinks(person berth.ID) error
	DeleteLinksBy(maker berth.ID) error
	// DeleteForeignLinks leaves those that maker or an owner of the server made.
	DeleteForeignLinks(person, maker berth.ID) error

	// A login lives while it has not expired and was used since a time.
	CreateLogin(l berth.Login, hash []byte) error
	LoginByHash(hash []byte, now, since time.Time) (berth.Login, berth.Person, error)
	LoginLives(id berth.ID, now, since time.Time) (bool, error)
	TouchLogin(id berth.ID) error
	Logins(person berth.ID, now, since time.Time) ([]berth.Login, error)
	DeleteLogin(person, id berth.ID) error
	DeleteOtherLogins(person, but berth.ID) (ended int64, err error)

	CreateToken(t berth.Token, hash []byte) error
	TokenByHash(hash []byte, now time.Time) (berth.Token, berth.Person, error)
	TokenLives(id berth.ID, now time.Time) (bool, error)
	TouchToken(id berth.ID) error
	Tokens(person berth.ID) ([]berth.Token, error)
	DeleteToken(person, id berth.ID) error

	CreateSSHKey(k berth.SSHKey) error
	SSHKeys(person berth.ID) ([]berth.SSHKey, error)
	// SSHKey finds a key, whosever it is, by its fingerprint.
	SSHKey(fingerprint string) (k berth.SSHKey, p berth.Person, ok bool, err error)
	TouchSSHKey(id berth.ID) error
	DeleteSSHKey(person berth.ID, name string) (berth.SSHKey, error)

	PutRegistry(r berth.Registry, sealed []byte) error
	Registries() ([]berth.Registry, error)
	DeleteRegistry(host string) error

	AppendEvent(e berth.Event) error
	Meta(key string) (value string, ok bool, err error)
	PutMeta(key, value string) error
}

// Vault seals secrets for the store and opens them again.
type Vault interface {
	Seal(value berth.Secret) ([]byte, error)
	Unseal(sealed []byte) (berth.Secret, error)
}

// Git keeps a bare repository per project. Errors that a person can do something about are coded.
type Git interface {
	Init(ctx context.Context, project berth.ID) error
	Import(ctx context.Context, project berth.ID, bundle io.Reader) (defaultBranch string, err error)
	// Fetch's errors may be berth.ErrRefused and berth.ErrHostKey; what it found out counts with them too.
	Fetch(ctx context.Context, project berth.ID, origin berth.Upstream) (berth.Fetched, error)
	// MoveOut pushes what a project's own repository has to an origin, which it mirrors from then on. Its errors are
	// those of Fetch, or berth.ErrDiverged. settle is called before anybody else can push to the repository.
	MoveOut(ctx context.Context, project berth.ID, origin berth.Upstream, settle func(berth.Fetched) error) (berth.Fetched, error)
	Resolve(ctx context.Context, project berth.ID, rev string) (commit string, err error)
	Branches(ctx context.Context, project berth.ID) ([]string, error)
	// Holders lists the branches that a commit is on.
	Holders(ctx context.Context, project berth.ID, commit string) ([]string, error)
	// ReadFile is fs.ErrNotExist where the commit has no such file.
	ReadFile(ctx context.Context, project berth.ID, commit, path string, max int64) ([]byte, error)
	// List names what is in a folder ("" is the top), folders with a slash behind.
	List(ctx context.Context, project berth.ID, commit, dir string) ([]string, error)
	Remove(ctx context.Context, project berth.ID) error
}

// Forges know what the hosts of repositories need. Nil: there are no deploy keys.
type Forges interface {
	NewDeployKey(comment string) (public string, private berth.Secret, err error)
	KeyPage(u berth.GitURL) string // "" where it is not known
	SSHURL(u berth.GitURL) string  // "" where there is none
}

// Volumes is where volumes are kept.
type Volumes interface {
	Storage(ctx context.Context) (berth.Storage, error)
	// Migrate keeps new volumes in another kind of store, and has the others move there. Empty: in the kind
	// that measures best, which is returned.
	Migrate(ctx context.Context, to berth.StorageKind) (berth.StorageKind, error)
	// Delete deletes a volume's data, unless allowed, asked while nothing else changes the deployment, objects.
	Delete(ctx context.Context, v berth.Volume, allowed func(context.Context) error) error
}

// Mail is deployments' inboxes.
type Mail interface {
	List(ctx context.Context, deployment berth.ID) ([]berth.Mail, error)
	Read(ctx context.Context, deployment, id berth.ID) (berth.MailText, error)
}

// BuildLogs opens the stored log of a build, fs.ErrNotExist before it has one. A reader at the end of a
// log that is still written returns io.EOF and, asked again later, what was written since.
type BuildLogs interface {
	OpenBuildLog(build berth.ID) (io.ReadCloser, error)
}
