// Package control is the verbs: everything of berth.Service but streams, for one caller. Every verb
// authorises, validates, writes one transaction with its event, and returns; the reconciler does the work.
//
// It must not know how anything is run: it calls no engine, builder or proxy. Of sources it knows what
// a project's repository holds, so that a wish that cannot come true is refused when it is made.
package control

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/keylock"
)

// Config is what the verbs are made of.
type Config struct {
	Store     Store
	Vault     Vault
	Git       Git
	Forges    Forges
	BuildLogs BuildLogs
	Metrics   func(io.Writer) error // in Prometheus' text format
	// ReadStack says what a project file offers; its errors name file, line and field. nil: files are not looked into.
	ReadStack func(file string, data []byte) (Stack, error)
	// SavedFile reads the project file of a development deployment's working tree, fs.ErrNotExist where there
	// is none. nil: nobody can look into working trees.
	SavedFile func(ctx context.Context, deployment berth.ID) ([]byte, error)
	// Propose makes a project file for a repository that has none, and says why each line is there.
	Propose func(Tree) (text string, notes []berth.FileNote, err error)
	// Describe renders the stored objects of an element as YAML, secrets masked.
	Describe func(objects []byte) (string, error)
	// Usage returns the bytes on disk of a deployment's volumes, by "element/identifier". nil: not measured.
	Usage func(ctx context.Context, deployment berth.ID) (map[string]int64, error)
	// CheckRegistry asks a registry of images whether a login is right. nil: not asked.
	CheckRegistry func(ctx context.Context, host, username string, password berth.Secret) error
	// Room says in a sentence why nothing new may begin just now: the disks are nearly full. nil: never.
	Room func() error
	// Volumes is what the storage of all deployments is kept in. nil: nothing is known of it.
	Volumes Volumes
	// BuildCache measures what the engine keeps for builds.
	BuildCache func(ctx context.Context) (berth.BuildCache, error)
	// Moved is told of a project whose branches may have moved. nil: nobody follows them.
	Moved func(project berth.ID)
	// Mail keeps what deployments sent as mail.
	Mail Mail
	// Host returns the full public name and the URL of a generated label.
	Host func(label string) (name, url string)
	// ReadDelivery checks what came to a hook against its secret; branch is "" of what moves none.
	ReadDelivery func(header http.Header, body []byte, secret berth.Secret) (push bool, branch string, err error)
	// ReportStatus tells a Git host what became of a commit: behind the error of one that does not take it is
	// berth.ErrRefused, EUnsupported is for one that takes none, EUnavailable may pass. nil: none is told.
	ReportStatus func(ctx context.Context, u berth.GitURL, token berth.Secret, s berth.CommitStatus) error
	// HookURL and HookPage are where a hook is heard, and where a Git host is told of it.
	HookURL  func(path string) string
	HookPage func(u berth.GitURL) string
	// DeployHookURL is where the deploy hook of a deployment is heard, BuildsURL where its builds are listed.
	DeployHookURL func(slug, token string) string
	BuildsURL     func(slug string) string
	// ReleasesPage shows a person how a deployment's releases get on.
	ReleasesPage func(slug string) string
	// Led reports whether requests are led to a release that serves. nil: they are.
	Led func(r berth.Release) bool
	// Idle says since when nobody has used a deployment that runs. nil: not known.
	Idle func(d berth.Deployment) *berth.Idleness
	// Domain is the base domain of generated hosts.
	Domain string
	// Leads says what the DNS says of a name, and at which addresses this server is reached; an error: the name
	// servers do not answer. Blocks for seconds.
	Leads func(ctx context.Context, name string) (dns DNS, here []netip.Addr, err error)
	// Reached is the latter alone. nil: not known.
	Reached func(ctx context.Context) []netip.Addr
	// URLOf is the URL of a whole host name.
	URLOf func(name string) string
	// Certificate says what vouches for a host. nil: not known.
	Certificate func(host string) berth.Certificate
	Catalogue   []berth.PackageInfo

	ServerURL   string                 // of the API
	ConsoleURL  string                 // of the pages; login links lead there
	Address     string                 // at which the server answers on its own machine
	CA          func() string          // PEM of the local certificate authority
	Fingerprint func() string          // hex SHA-256 of that authority's DER
	SSH         func() berth.SSHServer // where the server answers SSH; nil: nowhere
	Install     func() string          // command that installs the command line elsewhere, or nothing; nil: nothing
	Version     string
	Now         func() time.Time
}

// Stack is what control needs to know of a project file.
type Stack struct {
	Stages     []berth.Stage // nil: the default ones
	Components []string      // identifiers, in the file's order
	Addons     []string
}

// Control is the verbs without a caller.
type Control struct {
	Config
	making   making
	rests    rests                   // of origins, by project
	unheard  rests                   // of hosts that took no status, by deployment
	looks    keylock.Locks[berth.ID] // of a project: at where its branches are, to act upon it
	hookUses uses
	lists    lists

	byAddress, byName tries     // of logins
	passwords         passwords // of persons
}

// New returns the verbs. It opens nothing.
func New(c Config) *Control {
	return &Control{
		Config: c, passwords: newPasswords(),
		byAddress: tries{most: triesOfAddress, window: time.Minute}, byName: tries{most: triesOfName, window: nameWindow},
	}
}

// As binds the verbs to who asks.
func (c *Control) As(caller berth.Caller) *Service { return &Service{control: c, caller: caller} }

// Service is the verbs for one caller.
type Service struct {
	control *Control
	caller  berth.Caller
}

var (
	_ berth.ServerService      = (*Service)(nil)
	_ berth.PeopleService      = (*Service)(nil)
	_ berth.LoginService       = (*Service)(nil)
	_ berth.ProjectService     = (*Service)(nil)
	_ berth.SourceService      = (*Service)(nil)
	_ berth.ProjectFileService = (*Service)(nil)
	_ berth.DeploymentService  = (*Service)(nil)
	_ berth.RestService        = (*Service)(nil)
	_ berth.PlanService        = (*Service)(nil)
	_ berth.EnvironmentService = (*Service)(nil)
	_ berth.SharedService      = (*Service)(nil)
	_ berth.ReleaseService     = (*Service)(nil)
	_ berth.RegistryService    = (*Service)(nil)
	_ berth.StorageService     = (*Service)(nil)
	_ berth.BuildCacheService  = (*Service)(nil)
	_ berth.MailService        = (*Service)(nil)
	_ berth.BranchService      = (*Service)(nil)
	_ berth.DomainService      = (*Service)(nil)
	_ berth.HostService        = (*Service)(nil)
	_ berth.HookService        = (*Service)(nil)
	_ berth.DeployHookService  = (*Service)(nil)
	_ berth.KeyService         = (*Service)(nil)
)

// view reads in one snapshot; nobody reads nothing.
func (s *Service) view(ctx context.Context, fn func(Tx) error) error {
	if err := s.known(); err != nil {
		return err
	}
	return s.control.Store.View(ctx, fn)
}

// update writes in one transaction.
func (s *Service) update(ctx context.Context, fn func(Tx) error) error {
	if err := s.known(); err != nil {
		return err
	}
	return s.control.Store.Update(ctx, fn)
}

func (s *Service) known() error {
	if s.caller.Person == "" {
		return berth.Errorf(berth.EUnauthenticated, "nobody is logged in: run berth login LINK with a link from berth login-link")
	}
	return nil
}

// event records what the caller did to a deployment.
func (s *Service) event(tx Tx, d berth.Deployment, element, kind, message string) error {
	return tx.AppendEvent(berth.Event{
		Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Element: element,
		Person: s.caller.Name, Kind: kind, Message: message,
	})
}

// making is the projects whose repository exists before their row does.
type making struct {
	mu  sync.Mutex
	ids map[berth.ID]bool
}

func (m *making) begin(id berth.ID) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids == nil {
		m.ids = map[berth.ID]bool{}
	}
	m.ids[id] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.ids, id)
	}
}

// Making lists projects that are being created and have no row yet. A collector of what nothing wants
// asks this before it reads the store, or it would take their repositories away.
func (c *Control) Making() []berth.ID {
	c.making.mu.Lock()
	defer c.making.mu.Unlock()
	ids := make([]berth.ID, 0, len(c.making.ids))
	for id := range c.making.ids {
		ids = append(ids, id)
	}
	return ids
}
