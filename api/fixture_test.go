package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/api"
	"github.com/berth-dev/berth/client"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/session"
	"github.com/berth-dev/berth/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the whole control plane without an engine: real store, real verbs, real streams, real API.
type server struct {
	store   *sqlite.Store
	control *control.Control
	streams *session.Sessions
	git     *repositories
	shell   *shell
	logs    *lockedBuffer
	owner   berth.Caller

	url    string // of the TLS listener
	ca     string
	socket string
}

func (s *server) log() *slog.Logger { return slog.New(slog.NewTextHandler(s.logs, nil)) }

// lockedBuffer is a log that handlers write to while the test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func (s *server) as(caller berth.Caller) berth.Service {
	return struct {
		*control.Service
		berth.StreamService
	}{s.control.As(caller), s.streams.As(caller)}
}

type controlStore struct{ *sqlite.Store }

func (s controlStore) View(ctx context.Context, fn func(control.Tx) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (s controlStore) Update(ctx context.Context, fn func(control.Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

type sessionStore struct{ *sqlite.Store }

func (s sessionStore) View(ctx context.Context, fn func(session.Tx) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (s sessionStore) Update(ctx context.Context, fn func(session.Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

// newServer serves over TLS and on a Unix socket until the test ends.
func newServer(t *testing.T) *server {
	t.Helper()
	ctx := t.Context()
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "berth.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &server{store: store, git: &repositories{}, shell: &shell{}, logs: &lockedBuffer{}}
	tlsServer := httptest.NewUnstartedServer(nil)
	s.control = control.New(control.Config{
		Volumes: &oneStore{kind: berth.StorageDirectories},
		BuildCache: func(context.Context) (berth.BuildCache, error) {
			return berth.BuildCache{UsedBytes: 3 << 30, BudgetBytes: 20 << 30}, nil
		},
		Store: controlStore{store}, Vault: plainVault{}, Git: s.git, BuildLogs: buildLogs{}, Metrics: func(w io.Writer) error { _, err := io.WriteString(w, "berth_proxy_table_version 1\n"); return err },
		Mail: inbox{},
		Propose: func(t control.Tree) (string, []berth.FileNote, error) {
			names, err := t.List("")
			return "proposed\n", []berth.FileNote{{Line: 1, Kind: berth.NoteFound, Text: "a file", Source: names[0]}}, err
		},
		DeployHookURL: func(slug, token string) string { return "https://console.test/hooks/" + slug + "/" + token },
		Describe:      func(objects []byte) (string, error) { return string(objects) + "\n", nil },
		Host:          func(label string) (string, string) { return label + ".test", "https://" + label + ".test" },
		Catalogue:     []berth.PackageInfo{{Name: "nodejs", Title: "Node.js", Kind: "component", Readme: "long"}},
		ServerURL:     "https://console.test", ConsoleURL: "https://console.test", Version: "test",
		CA: func() string { return s.ca }, Fingerprint: func() string { return fingerprint(tlsServer) }, Now: time.Now,
	})
	s.streams = session.New(session.Config{Access: s.control, Store: sessionStore{store}, Logs: fixedLogs{}, Requests: fixedRequests{}, Execer: s.shell})
	if err := s.control.EnsureOwner(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	if s.owner, err = s.control.Machine(ctx); err != nil {
		t.Fatal(err)
	}
	handler := api.New(api.Config{
		Service: s.as, Authenticate: s.control.Authenticate, Login: s.control.Login, Machine: s.control.Machine,
		OurHost: func(host string) bool { return host == "127.0.0.1" || host == "console.test" },
		CA:      func() string { return s.ca }, ServerURL: "https://console.test", Version: "test",
		Log: s.log(), Now: time.Now,
	})
	tlsServer.Config.Handler = handler
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	s.url, s.ca = tlsServer.URL, certificatePEM(tlsServer)
	s.listen(t, handler)
	return s
}

func (s *server) listen(t *testing.T, handler http.Handler) {
	t.Helper()
	s.socket = filepath.Join(t.TempDir(), "berth.sock")
	listener, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &http.Server{Handler: handler, ConnContext: api.PeerContext}
	done := make(chan struct{})
	go func() { defer close(done); _ = local.Serve(listener) }()
	t.Cleanup(func() { _ = local.Close(); <-done })
}

// person makes somebody with a role on the server and a token.
func (s *server) person(t *testing.T, name string, role berth.Role) (berth.Caller, berth.Secret) {
	t.Helper()
	p := berth.Person{ID: berth.NewID(), Name: name, Role: role}
	if err := s.store.Update(t.Context(), func(tx *sqlite.Tx) error { return tx.CreatePerson(p) }); err != nil {
		t.Fatal(err)
	}
	caller := berth.Caller{Person: p.ID, Name: name, Role: role}
	_, secret, err := s.control.As(caller).CreateToken(t.Context(), berth.NewToken{Name: "test", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return caller, secret
}

// overTLS is a client with a token.
func (s *server) overTLS(t *testing.T, token berth.Secret) *client.Client {
	t.Helper()
	return newClient(t, client.Config{URL: s.url, CA: s.ca, Token: token})
}

// overSocket is a client that the kernel vouches for.
func (s *server) overSocket(t *testing.T) *client.Client {
	t.Helper()
	return newClient(t, client.Config{Socket: s.socket})
}

func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// runs stores what a reconciler would have seen of a deployment.
func (s *server) runs(t *testing.T, d berth.Deployment) {
	t.Helper()
	instance := berth.InstanceStatus{ID: "i-web", Element: "web", Workload: "app", State: berth.InstanceRunning, Ready: true, Wanted: true}
	err := s.store.Update(t.Context(), func(tx *sqlite.Tx) error {
		r, _, err := tx.LatestRelease(d.ID)
		if err != nil {
			return err
		}
		r.State, r.Hashes = berth.ReleaseServing, map[string]string{"web/app": "h"}
		r.Elements = []berth.ReleaseElement{{
			Identifier: "web", Kind: berth.KindComponent, Objects: []byte(`{"kind":"Deployment"}`),
			Parameters: []berth.Parameter{
				{Name: "PORT", Value: "3000", Origin: berth.OriginPackage},
				{Name: "SESSION_KEY", Secret: true, Origin: berth.OriginGenerated},
				{Name: "STAGE", Value: "production", Origin: berth.OriginPlatform},
			},
		}}
		if err := tx.UpdateRelease(r); err != nil {
			return err
		}
		return tx.PutObserved(d.ID, berth.Observed{
			Elements:  []berth.ElementStatus{{Identifier: "web", Kind: berth.KindComponent, Status: berth.Green, Reason: "Ready", Instances: []berth.InstanceStatus{instance}}},
			Instances: []berth.InstanceStatus{instance},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inbox is that of every deployment.
type inbox struct{}

var oneMail = berth.MailText{Mail: berth.Mail{ID: "mmmmmmmmmm", From: "app@shop.test", To: []string{"ada@example.com"}, Subject: "Welcome", Bytes: 7},
	Headers: []berth.MailHeader{{Name: "Subject", Value: "Welcome"}}, Text: "Hello\n"}

func (inbox) List(context.Context, berth.ID) ([]berth.Mail, error) {
	return []berth.Mail{oneMail.Mail}, nil
}

func (inbox) Read(_ context.Context, _, id berth.ID) (berth.MailText, error) {
	if id != oneMail.ID {
		return berth.MailText{}, berth.Errorf(berth.ENotFound, "there is no mail %s", id)
	}
	return oneMail, nil
}

type plainVault struct{}

func (plainVault) Seal(value berth.Secret) ([]byte, error) {
	return []byte("sealed:" + value.Reveal()), nil
}
func (plainVault) Unseal(sealed []byte) (berth.Secret, error) {
	return berth.NewSecret(strings.TrimPrefix(string(sealed), "sealed:")), nil
}

const (
	firstCommit  = "1111111111111111111111111111111111111111"
	secondCommit = "2222222222222222222222222222222222222222"
)

// repositories is a Git in which every repository that has commits has the branch main.
type repositories struct {
	mu    sync.Mutex
	heads map[berth.ID]string
}

func (g *repositories) Init(context.Context, berth.ID) error { return nil }

func (g *repositories) Import(_ context.Context, id berth.ID, bundle io.Reader) (string, error) {
	text, err := io.ReadAll(bundle)
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(text, []byte("# v2 git bundle")) {
		return "", berth.Errorf(berth.EInvalid, "this is no git bundle")
	}
	return "main", g.move(id)
}

func (g *repositories) Fetch(_ context.Context, id berth.ID, origin berth.Upstream) (berth.Fetched, error) {
	if strings.Contains(origin.URL, "absent") {
		return berth.Fetched{}, berth.Errorf(berth.EUnavailable, "%s does not answer", origin.URL)
	}
	return berth.Fetched{DefaultBranch: "main"}, g.move(id)
}

func (g *repositories) MoveOut(ctx context.Context, id berth.ID, origin berth.Upstream, settle func(berth.Fetched) error) (berth.Fetched, error) {
	if strings.Contains(origin.URL, "diverged") {
		return berth.Fetched{}, berth.Errorf(berth.EConflict, "%s has another history of branch main", origin.URL)
	}
	found, err := g.Fetch(ctx, id, origin)
	if err == nil {
		err = settle(found)
	}
	return found, err
}

func (g *repositories) move(id berth.ID) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heads == nil {
		g.heads = map[berth.ID]string{}
	}
	if g.heads[id] == "" {
		g.heads[id] = firstCommit
	} else {
		g.heads[id] = secondCommit
	}
	return nil
}

func (g *repositories) Resolve(_ context.Context, id berth.ID, rev string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if rev != "refs/heads/main" && rev != g.heads[id] {
		return "", berth.Errorf(berth.ENotFound, "there is no commit %s", rev)
	}
	return g.heads[id], nil
}

func (g *repositories) Branches(_ context.Context, id berth.ID) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heads[id] == "" {
		return nil, nil
	}
	return []string{"main"}, nil
}

func (g *repositories) Holders(ctx context.Context, id berth.ID, _ string) ([]string, error) {
	return g.Branches(ctx, id)
}

func (g *repositories) ReadFile(context.Context, berth.ID, string, string, int64) ([]byte, error) {
	return nil, fs.ErrNotExist
}

func (g *repositories) List(context.Context, berth.ID, string, string) ([]string, error) {
	return []string{"Dockerfile"}, nil
}

func (g *repositories) Remove(context.Context, berth.ID) error { return nil }

type buildLogs struct{}

func (buildLogs) OpenBuildLog(berth.ID) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("#1 FROM node\n#2 RUN npm ci\n")), nil
}

type fixedLogs struct{}

func (fixedLogs) Read(ctx context.Context, _ berth.ID, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		for i := range 3 {
			if !yield(berth.LogLine{Element: "web", Stream: "stdout", Text: fmt.Sprintf("line %d", i)}, nil) {
				return
			}
		}
		if q.Follow {
			<-ctx.Done()
		}
	}
}

type fixedRequests struct{}

func (fixedRequests) Read(ctx context.Context, _ berth.ID, q berth.LogQuery) iter.Seq2[berth.Request, error] {
	return func(yield func(berth.Request, error) bool) {
		for i := range 3 {
			if !yield(berth.Request{Element: "web", Method: "GET", Path: fmt.Sprintf("/%d", i), Status: 200}, nil) {
				return
			}
		}
		if q.Follow {
			<-ctx.Done()
		}
	}
}

// shell is an Execer whose commands are Go functions.
type shell struct {
	mu   sync.Mutex
	last engine.ExecSpec
}

func (s *shell) Exec(ctx context.Context, x engine.ExecSpec) (int, error) {
	s.mu.Lock()
	s.last = x
	s.mu.Unlock()
	switch x.Command[0] {
	case "cat":
		_, err := io.Copy(x.Stdout, x.Stdin)
		return 0, err
	case "fail":
		_, _ = io.WriteString(x.Stderr, "no\n")
		return 7, nil
	case "size":
		size := <-x.Resize
		_, _ = fmt.Fprintf(x.Stdout, "%dx%d", size.Width, size.Height)
		return 0, nil
	case "wait":
		_, _ = io.WriteString(x.Stdout, "waiting\n")
		<-ctx.Done()
		return 0, ctx.Err()
	case "gone":
		return 0, engine.ErrNoInstance
	}
	return 127, nil
}
