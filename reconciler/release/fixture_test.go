package release_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/keylock"
	"github.com/berth-dev/berth/packages"
	"github.com/berth-dev/berth/reconciler"
	"github.com/berth-dev/berth/reconciler/release"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/vault"
	"github.com/berth-dev/berth/volume"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	project berth.ID = "projectaaa"
	prod    berth.ID = "production"
	dev     berth.ID = "developmen"
)

// bench is the loop on a real store, vault and disk, with a repository, images and a task runner in memory.
type bench struct {
	*testing.T
	store    *sqlite.Store
	volumes  *volume.Volumes
	git      trees
	packages mirrors
	images   *images
	runner   *runner
	config   release.Config
	loop     *release.Loop
	now      time.Time
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	b := &bench{T: t, volumes: volume.New(filepath.Join(dir, "volumes")), git: trees{}, packages: newMirrors(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		images: &images{exposed: map[string][]int{}}, runner: &runner{}}
	var err error
	if b.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "berth.db"), func() time.Time { return b.now }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	b.runner.run = func(task engine.Task) (int, error) { return b.clone(task) }
	locks := &keylock.Locks[berth.ID]{}
	host := func(label string) string { return label + ".berth.test" }
	b.config = release.Config{
		Store: storeFor{b.store}, Git: b.git, Volumes: b.volumes, Images: b.images, Runner: b.runner, Vault: keys,
		Catalogue: packages.FS(), Packages: b.packages, Tools: "berth/tools:1", HostName: host, HostURL: func(label string) string { return "https://" + host(label) },
		CloneURL: func(p berth.Project) string { return "https://console.berth.test/git/" + p.Name + ".git" },
		Lock:     locks.Lock, Beside: reconciler.Beside, Random: rand.Reader, Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler),
	}
	b.loop = release.New(b.config)
	b.update(func(tx *sqlite.Tx) error {
		if err := tx.CreateProject(berth.Project{ID: project, Name: "shop", DefaultBranch: "main"}); err != nil {
			return err
		}
		if err := tx.CreateDeployment(deployment(prod, "prod", berth.KindBuild)); err != nil {
			return err
		}
		return tx.CreateDeployment(deployment(dev, "dev", berth.KindDevelopment))
	})
	return b
}

func deployment(id berth.ID, name string, kind berth.StageKind) berth.Deployment {
	stage := "production"
	if kind == berth.KindDevelopment {
		stage = "development"
	}
	return berth.Deployment{ID: id, ProjectID: project, Project: "shop", Name: name, Slug: name + "-shop",
		Stage: stage, Kind: kind, Branch: "main", Size: "S", Desire: berth.DesireRun}
}

type storeFor struct{ *sqlite.Store }

func (s storeFor) View(ctx context.Context, fn func(release.Tx) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (s storeFor) Update(ctx context.Context, fn func(release.Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

// trees are a repository's files by commit and path.
type trees map[string]map[string]string

func (trees) Dir(project berth.ID) string { return "/git/" + string(project) + ".git" }

func (t trees) ReadFile(_ context.Context, _ berth.ID, commit, name string, _ int64) ([]byte, error) {
	text, ok := t[commit][name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (t trees) List(_ context.Context, _ berth.ID, commit, dir string) ([]string, error) {
	found := map[string]bool{}
	for name := range t[commit] {
		rest, inside := strings.CutPrefix("/"+name, strings.TrimSuffix(path.Clean("/"+dir), "/")+"/")
		if !inside {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		if deeper {
			first += "/"
		}
		found[first] = true
	}
	if len(found) == 0 {
		return nil, fs.ErrNotExist
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (t trees) Digest(_ context.Context, _ berth.ID, commit, dir string, without []string) (string, error) {
	var all []string
	for name, text := range t[commit] {
		out := slices.ContainsFunc(without, func(p string) bool { return strings.HasPrefix(name+"/", p+"/") })
		if strings.HasPrefix("/"+name, path.Join("/", dir)) && !out {
			all = append(all, name+"="+text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n"), nil
}

func (t trees) Mentions(_ context.Context, _ berth.ID, commit, dir, pattern string) (bool, error) {
	if t["searched"] == nil {
		t["searched"] = map[string]string{}
	}
	t["searched"][commit] += "x" // how often
	expression, err := regexp.CompilePOSIX(pattern)
	if err != nil {
		return false, err
	}
	for name, text := range t[commit] {
		if strings.HasPrefix("/"+name, path.Join("/", dir)+"/") && expression.MatchString(text) {
			return true, nil
		}
	}
	return false, nil
}

// images has every reference but those that are gone, and says what they expose.
type images struct {
	exposed map[string][]int
	gone    map[string]bool
	err     error
}

func (i *images) Ensure(_ context.Context, ref string, progress io.Writer) (string, error) {
	if i.err != nil {
		return "", i.err
	}
	_, err := io.WriteString(progress, "using "+ref+"\n") // as the real one says where no registry answers
	return ref, err
}

func (i *images) Present(_ context.Context, image string) ([]int, bool, error) {
	return i.exposed[image], !i.gone[image], nil
}

type runner struct {
	tasks []engine.Task
	run   func(engine.Task) (int, error)
}

func (r *runner) Run(_ context.Context, t engine.Task) (int, error) {
	r.tasks = append(r.tasks, t)
	return r.run(t)
}

// clone writes the tree of commit "c1" where the task has /app.
func (b *bench) clone(t engine.Task) (int, error) {
	for dir := range t.Mounts {
		for name, text := range b.git["c1"] {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return 0, err
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

func (b *bench) update(fn func(tx *sqlite.Tx) error) {
	b.Helper()
	if err := b.store.Update(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) view(fn func(tx *sqlite.Tx) error) {
	b.Helper()
	if err := b.store.View(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

// commit stores a tree: pairs of path and text.
func (b *bench) commit(name string, files ...string) {
	b.git[name] = map[string]string{}
	for i := 0; i < len(files); i += 2 {
		b.git[name][files[i]] = files[i+1]
	}
}

// ask makes the next release of a deployment, of a commit.
func (b *bench) ask(of berth.ID, commit string) berth.ID {
	b.Helper()
	id := berth.NewID()
	b.now = b.now.Add(time.Second)
	b.update(func(tx *sqlite.Tx) error {
		_, err := tx.CreateRelease(berth.Release{ID: id, Deployment: of, State: berth.ReleasePending, Commit: commit, Cause: "test"})
		return err
	})
	return id
}

func (b *bench) turn(of berth.ID) error {
	b.now = b.now.Add(time.Second)
	_, err := b.loop.Turn(context.Background(), of)
	return err
}

// prepare takes a turn that must not fail, and returns what became of the release.
func (b *bench) prepare(of berth.ID, id berth.ID) berth.Release {
	b.Helper()
	if err := b.turn(of); err != nil {
		b.Fatalf("turn: %v", err)
	}
	return b.release(id)
}

func (b *bench) release(id berth.ID) (r berth.Release) {
	b.Helper()
	b.view(func(tx *sqlite.Tx) (err error) { r, err = tx.Release(id); return err })
	return r
}

func (b *bench) builds(of berth.ID) (all []berth.Build) {
	b.Helper()
	b.view(func(tx *sqlite.Tx) (err error) { all, err = tx.BuildsOfRelease(of); return err })
	return all
}

func (b *bench) spec(row berth.Build) (s build.Spec) {
	b.Helper()
	if err := json.Unmarshal(row.Spec, &s); err != nil {
		b.Fatal(err)
	}
	return s
}

// build ends every open build of a release well, with an image that exposes the ports.
func (b *bench) build(of berth.ID, ports ...int) {
	b.Helper()
	for _, row := range b.builds(of) {
		if row.State.Done() {
			continue
		}
		row.State, row.Image, row.EndedAt = berth.BuildSucceeded, "sha256:"+row.Key+string(row.ID), b.now
		b.images.exposed[row.Image] = ports
		b.update(func(tx *sqlite.Tx) error { return tx.UpdateBuild(row) })
	}
}

// complete brings a new release of a commit to where it starts.
func (b *bench) complete(of berth.ID, commit string) berth.Release {
	b.Helper()
	id := b.ask(of, commit)
	b.prepare(of, id)
	b.build(id, 8080)
	r := b.prepare(of, id)
	if r.State != berth.ReleaseStarting {
		b.Fatalf("release of %s is %s: %q", commit, r.State, r.Message)
	}
	return r
}

func (b *bench) wantFailed(r berth.Release, parts ...string) {
	b.Helper()
	if r.State != berth.ReleaseFailed {
		b.Errorf("the release is %s, want failed", r.State)
	}
	for _, part := range parts {
		if !strings.Contains(r.Message, part) {
			b.Errorf("%q does not say %q", r.Message, part)
		}
	}
}

func element(r berth.Release, name string) berth.ReleaseElement {
	for _, e := range r.Elements {
		if e.Identifier == name {
			return e
		}
	}
	return berth.ReleaseElement{}
}

const (
	head = "diploiVersion: v1.0\ncomponents:\n"
	web  = "  - {name: Web, identifier: web, package: dockerfile}\n"
	api  = "  - {name: API, identifier: api, package: dockerfile}\n"
	db   = "addons:\n  - {name: DB, identifier: db, package: postgres}\n"
	from = "FROM scratch\n"
)
