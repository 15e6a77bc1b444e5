// Package ui is the console: pages that the server renders, which change by themselves while they are open, and the
// forms on them. It turns each request into calls of berth.Service for whoever is logged in.
//
// It must not know how anything is done or who may do what: it sees package berth only, and asks. It can do nothing
// that API and command line cannot. All text from outside is shown as text.
package ui

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/berth-dev/berth"
)

//go:generate go tool -modfile=../tools/go.mod templ generate -log-level error

// Config is what the console is made of.
type Config struct {
	// Service is every verb for one caller.
	Service func(berth.Caller) berth.Service
	// Authenticate says whose login a cookie is of; EUnauthenticated when nobody's.
	Authenticate func(ctx context.Context, cookie berth.Secret) (berth.Caller, berth.Login, error)
	// LinkOf says what a one-time link is for, and EnterByLink uses it up for a login.
	LinkOf          func(ctx context.Context, link berth.Secret) (berth.Link, error)
	EnterByLink     func(ctx context.Context, link berth.Secret, choose berth.Choices, from berth.LoginClient) (berth.Login, berth.Secret, error)
	LoginByPassword func(ctx context.Context, name string, password berth.Secret, from berth.LoginClient) (berth.Login, berth.Secret, error)
	Logout          func(ctx context.Context, cookie berth.Secret) error
	// RoleOn is the caller's role on a project, so that nobody is offered what is refused.
	RoleOn func(ctx context.Context, caller berth.Caller, project string) (berth.Role, error)
	// Changes hints at deployments that changed, "" for a project; the channel closes with ctx.
	Changes func(ctx context.Context) <-chan berth.ID
	Guide   fs.FS         // the users' guide, in Markdown
	CA      func() string // PEM of the server's own authority
	Version string
	Log     *slog.Logger
	Now     func() time.Time
}

// Console answers browsers.
type Console struct {
	Config
	assets  assets
	tickets tickets
	mux     *http.ServeMux
	pages   map[string]page // by path
	closing context.Context
	close   context.CancelFunc
}

// New returns the console. Serve it behind TLS only: its cookie is not sent otherwise.
func New(c Config) (*Console, error) {
	files, err := openAssets()
	if err != nil {
		return nil, err
	}
	console := &Console{Config: c, assets: files, mux: http.NewServeMux(), pages: map[string]page{}}
	console.closing, console.close = context.WithCancel(context.Background())
	for _, r := range routes() {
		if r.page != nil {
			console.pages[r.path] = r.page
		}
		console.mux.Handle(r.method+" "+r.path, console.handle(r))
	}
	console.mux.Handle("GET /assets/{file}", files)
	console.mux.HandleFunc("GET /ca.crt", console.authority)
	console.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		console.open(w, r, func(q *query) { q.fail(berth.Errorf(berth.ENotFound, "There is no page at this address.")) })
	})
	return console, nil
}

// Close ends what streams to open pages, so that a server can stop at once. Pages come back by themselves.
func (c *Console) Close() { c.close() }

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if foreign(r) {
		http.Error(w, "The console does not answer pages of other origins.", http.StatusForbidden)
		return
	}
	c.mux.ServeHTTP(w, r)
}

func (c *Console) authority(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-x509-ca-cert") // phones offer to install it
	w.Header().Set("Content-Disposition", `attachment; filename="berth-ca.crt"`)
	_, _ = w.Write([]byte(c.CA()))
}
