package control_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the verbs over a real store, with a clock that stands still and a Git made of maps.
type world struct {
	*control.Control
	store *countingStore
	git   *fakeGit
	logs  *fakeLogs
	owner *control.Service
	dir   string

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{git: newFakeGit(), logs: &fakeLogs{}, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	w.dir = t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(w.dir, "berth.db"), clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w.store = &countingStore{Store: store}
	w.Control = control.New(control.Config{
		Store: w.store, Vault: reverse{}, Git: w.git, Forges: keysmith{}, BuildLogs: w.logs, ReadStack: readStack,
		DeployHookURL: func(slug, token string) string { return "https://console.test/hooks/" + slug + "/" + token },
		BuildsURL:     func(slug string) string { return "https://console.test/builds/" + slug },
		ReleasesPage:  func(slug string) string { return "https://console.test/releases/" + slug },
		Describe:      func(objects []byte) (string, error) { return string(objects), nil },
		Host:          func(label string) (string, string) { return label + ".test", "https://" + label + ".test" },
		ServerURL:     "https://console.test", ConsoleURL: "https://console.test",
		CA: func() string { return "PEM" }, Fingerprint: func() string { return "ff" }, Now: clock,
	})
	if err := w.EnsureOwner(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	caller, err := w.Machine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.owner = w.As(caller)
	return w
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) update(t *testing.T, fn func(tx *sqlite.Tx) error) {
	t.Helper()
	if err := w.store.Store.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// person makes somebody with a role on the server and, with a project, a membership.
func (w *world) person(t *testing.T, name string, role berth.Role, project berth.ID, member berth.Role) berth.Caller {
	t.Helper()
	p := berth.Person{ID: berth.NewID(), Name: name, Role: role}
	w.update(t, func(tx *sqlite.Tx) error {
		err := tx.CreatePerson(p)
		if err == nil && member != berth.RoleNone {
			err = tx.PutMembership(berth.Membership{Person: p.ID, Project: project, Role: member})
		}
		return err
	})
	return berth.Caller{Person: p.ID, Name: name, Role: role}
}

// project makes one whose branch main has a stack.
func (w *world) project(t *testing.T, name string) berth.Project {
	t.Helper()
	p, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: name, GitURL: "https://git.test/" + name + ".git"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) deployment(t *testing.T, project, name, stage string) berth.Deployment {
	t.Helper()
	d, err := w.owner.CreateDeployment(t.Context(), project, berth.NewDeployment{Name: name, Stage: stage})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// complete gives the newest release elements and a state.
func (w *world) complete(t *testing.T, d berth.Deployment, state berth.ReleaseState, params ...berth.Parameter) {
	t.Helper()
	w.update(t, func(tx *sqlite.Tx) error {
		r, _, err := tx.LatestRelease(d.ID)
		if err != nil {
			return err
		}
		r.State = state
		r.Elements = []berth.ReleaseElement{
			{Identifier: "postgres", Kind: berth.KindAddon, Objects: []byte("pg\n")},
			{Identifier: "web", Kind: berth.KindComponent, Objects: []byte("web\n"), Parameters: params},
			{Identifier: "api", Kind: berth.KindComponent, Objects: []byte("api\n")},
		}
		return tx.UpdateRelease(r)
	})
}

// countingStore counts the reads of a transaction.
type countingStore struct {
	*sqlite.Store
	reads atomic.Int64
}

type countingTx struct {
	*sqlite.Tx
	store *countingStore
}

func (s *countingStore) View(ctx context.Context, fn func(control.Tx) error) error {
	s.reads.Store(0)
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(countingTx{tx, s}) })
}

func (s *countingStore) Update(ctx context.Context, fn func(control.Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(countingTx{tx, s}) })
}

func (t countingTx) Observed(id berth.ID) (berth.Observed, error) {
	t.store.reads.Add(1)
	return t.Tx.Observed(id)
}

func (t countingTx) Releases(id berth.ID, limit int) ([]berth.Release, error) {
	t.store.reads.Add(1)
	return t.Tx.Releases(id, limit)
}

func (t countingTx) Volumes(id berth.ID) ([]berth.Volume, error) {
	t.store.reads.Add(1)
	return t.Tx.Volumes(id)
}

func (t countingTx) Release(id berth.ID) (berth.Release, error) {
	t.store.reads.Add(1)
	return t.Tx.Release(id)
}

// reverse is a vault that a test can look into and that a store full of plain text cannot imitate.
type reverse struct{}

func (reverse) Seal(value berth.Secret) ([]byte, error) {
	text := []byte(value.Reveal())
	slices.Reverse(text)
	return text, nil
}

func (reverse) Unseal(sealed []byte) (berth.Secret, error) {
	text := slices.Clone(sealed)
	slices.Reverse(text)
	return berth.NewSecret(string(text)), nil
}

// readStack knows two stacks, and one that is broken.
func readStack(file string, data []byte) (control.Stack, error) {
	switch string(data) {
	case "usual":
		return control.Stack{Components: []string{"web", "api"}, Addons: []string{"postgres"}}, nil
	case "staged":
		return control.Stack{Components: []string{"web"}, Stages: []berth.Stage{
			{Identifier: "sandbox", Kind: berth.KindDevelopment, Size: "L"},
			{Identifier: "preview", Kind: berth.KindBuild, Branch: "feature/*"},
			{Identifier: "live", Kind: berth.KindBuild, Branch: "main"},
		}}, nil
	}
	return control.Stack{}, berth.Errorf(berth.EInvalid, "%s:3:5: components[0].package: is missing", file)
}

// keysmith makes keys that tests know.
type keysmith struct{}

const madeKey = "PRIVATE-k3y-of-a-project"

func (keysmith) NewDeployKey(comment string) (string, berth.Secret, error) {
	return "ssh-ed25519 AAAA " + comment, berth.NewSecret(madeKey), nil
}
func (keysmith) KeyPage(u berth.GitURL) string { return "https://" + u.Host + "/keys" }
func (keysmith) SSHURL(u berth.GitURL) string  { return "git@" + u.Host + ":" + u.Path[1:] }

// fakeGit has one set of branches, and files per commit.
type fakeGit struct {
	mu       sync.Mutex
	branches map[string]string // name → commit
	files    map[string]string // commit → diploi.yaml
	tokens   []string          // what Fetch was given
	removed  []berth.ID
	fail     error
	shown    []string         // host keys that Fetch sees
	origins  []berth.Upstream // what Fetch was given
	fetching func()           // called while Fetch runs
	movedOut int              // calls of MoveOut
}

const (
	one   = "1111111111111111111111111111111111111111"
	two   = "2222222222222222222222222222222222222222"
	wrong = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	bare  = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func newFakeGit() *fakeGit {
	return &fakeGit{
		branches: map[string]string{"main": one, "broken": wrong, "empty": bare, "next": two},
		files:    map[string]string{one: "usual", two: "staged", wrong: "broken"},
	}
}

func (g *fakeGit) Init(context.Context, berth.ID) error { return g.fail }

func (g *fakeGit) Import(_ context.Context, _ berth.ID, bundle io.Reader) (string, error) {
	_, err := io.Copy(io.Discard, bundle)
	return "main", errors.Join(err, g.fail)
}

func (g *fakeGit) Fetch(_ context.Context, _ berth.ID, origin berth.Upstream) (berth.Fetched, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens = append(g.tokens, origin.Token.Reveal())
	g.origins = append(g.origins, origin)
	if g.fetching != nil {
		g.fetching()
	}
	return berth.Fetched{DefaultBranch: "main", HostKeys: g.shown}, g.fail
}

// MoveOut pushes nothing: what an origin makes of a push is git's own to test.
func (g *fakeGit) MoveOut(ctx context.Context, project berth.ID, origin berth.Upstream, settle func(berth.Fetched) error) (berth.Fetched, error) {
	found, err := g.Fetch(ctx, project, origin)
	g.mu.Lock()
	g.movedOut++
	g.mu.Unlock()
	if err == nil {
		err = settle(found)
	}
	return found, err
}

// move is a push that somebody else's look may run beside.
func (g *fakeGit) move(branch, commit string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.branches[branch] = commit
}

func (g *fakeGit) Resolve(_ context.Context, _ berth.ID, rev string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, commit := range g.branches {
		if rev == "refs/heads/"+name || strings.HasPrefix(commit, rev) {
			return commit, nil
		}
	}
	return "", berth.Errorf(berth.ENotFound, "there is no commit %s", rev)
}

func (g *fakeGit) Branches(context.Context, berth.ID) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for name := range g.branches {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Holders are the branches that a commit is the newest of.
func (g *fakeGit) Holders(_ context.Context, _ berth.ID, commit string) (names []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, newest := range g.branches {
		if newest == commit {
			names = append(names, name)
		}
	}
	return names, nil
}

func (g *fakeGit) ReadFile(_ context.Context, _ berth.ID, commit, path string, max int64) ([]byte, error) {
	text, ok := g.files[commit]
	if !ok || path != "diploi.yaml" || max > 16<<20 {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (g *fakeGit) List(_ context.Context, _ berth.ID, commit, _ string) ([]string, error) {
	if g.files[commit] != "" {
		return []string{"diploi.yaml"}, nil
	}
	return []string{"Dockerfile"}, nil
}

func (g *fakeGit) Remove(_ context.Context, id berth.ID) error {
	g.removed = append(g.removed, id)
	return nil
}

// fakeLogs is a build log that grows.
type fakeLogs struct {
	mu   sync.Mutex
	text []byte // nil: there is none yet
}

func (l *fakeLogs) write(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, s...)
}

func (l *fakeLogs) OpenBuildLog(berth.ID) (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == nil {
		return nil, fs.ErrNotExist
	}
	return &logReader{log: l}, nil
}

type logReader struct {
	log *fakeLogs
	at  int
}

func (r *logReader) Read(p []byte) (int, error) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	n := copy(p, r.log.text[r.at:])
	r.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *logReader) Close() error { return nil }

func mustFail(t *testing.T, err error, code berth.Code, part string) {
	t.Helper()
	if berth.CodeOf(err) != code || !strings.Contains(berth.MessageOf(err), part) {
		t.Fatalf("error is %s %q, want %s with %q", berth.CodeOf(err), berth.MessageOf(err), code, part)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
