package builds_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/reconciler"
	"github.com/berth-dev/berth/reconciler/builds"
	"github.com/berth-dev/berth/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	project    berth.ID = "projectaaa"
	deployment berth.ID = "deployment"
)

var errBroken = errors.New("the builder lost its connection")

// bench is the loop on a real store, with a builder that a test scripts.
type bench struct {
	*testing.T
	store *sqlite.Store
	loop  *builds.Loop
	dir   string
	build func(ctx context.Context, r build.Request) (build.Result, error)
	ran   atomic.Int32
	room  error
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, dir: filepath.Join(t.TempDir(), "checkouts")}
	var err error
	if b.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	b.update(func(tx *sqlite.Tx) error {
		if err := tx.CreateProject(berth.Project{ID: project, Name: "shop"}); err != nil {
			return err
		}
		return tx.CreateDeployment(berth.Deployment{ID: deployment, ProjectID: project, Name: "prod", Slug: "prod-shop", Desire: berth.DesireRun})
	})
	b.build = func(context.Context, build.Request) (build.Result, error) {
		return build.Result{Image: "sha256:made"}, nil
	}
	b.loop = b.newLoop()
	return b
}

func (b *bench) newLoop() *builds.Loop {
	return builds.New(builds.Config{
		Room:  func() error { return b.room },
		Store: storeFor{b.store}, Git: checkouts{}, Builder: b, Dir: b.dir, Now: time.Now,
		Labels: map[string]string{"server": "s1"},
		Secret: func(_ context.Context, token string) (berth.Secret, error) {
			if token != "token" {
				return berth.Secret{}, errors.New("no such token")
			}
			return berth.NewSecret("the value"), nil
		},
	})
}

type storeFor struct{ *sqlite.Store }

func (s storeFor) View(ctx context.Context, fn func(builds.Tx) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (s storeFor) Update(ctx context.Context, fn func(builds.Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

// checkouts writes the commit's name into the tree.
type checkouts struct{}

func (checkouts) Checkout(_ context.Context, _ berth.ID, commit, dest string) ([]string, error) {
	var notes []string
	if commit == "noted" {
		notes = []string{"logo.png is not the file itself"}
	}
	return notes, os.WriteFile(filepath.Join(dest, "commit"), []byte(commit), 0o600)
}

// Build implements build.Builder.
func (b *bench) Build(ctx context.Context, r build.Request, _ io.Writer) (build.Result, error) {
	b.ran.Add(1)
	return b.build(ctx, r)
}

func (b *bench) update(fn func(tx *sqlite.Tx) error) {
	b.Helper()
	if err := b.store.Update(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) queue(id berth.ID, s build.Spec) {
	b.Helper()
	spec, err := json.Marshal(s)
	if err != nil {
		b.Fatal(err)
	}
	b.update(func(tx *sqlite.Tx) error {
		return tx.CreateBuild(berth.Build{ID: id, Project: project, Deployment: deployment, Element: "web",
			Commit: s.Context, Key: "key", State: berth.BuildQueued, Spec: spec})
	})
}

func TestTheContextMayBeAFolderOfTheCheckout(t *testing.T) {
	var dir string
	b := newBench(t)
	b.build = func(_ context.Context, r build.Request) (build.Result, error) {
		dir = r.ContextDir
		return build.Result{Image: "sha256:x"}, nil
	}
	b.queue("b1", build.Spec{Name: "web/Dockerfile", Context: "c1", Folder: "apps/web"})
	if _, err := b.loop.Turn(t.Context(), "b1"); err != nil || !strings.HasSuffix(dir, filepath.FromSlash("/b1/apps/web")) {
		t.Errorf("the context is %q, %v", dir, err)
	}
}

func (b *bench) row(id berth.ID) (row berth.Build) {
	b.Helper()
	if err := b.store.View(context.Background(), func(tx *sqlite.Tx) (err error) {
		row, err = tx.Build(id)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return row
}

func (b *bench) set(id berth.ID, change func(row *berth.Build)) {
	b.Helper()
	row := b.row(id)
	change(&row)
	b.update(func(tx *sqlite.Tx) error { return tx.UpdateBuild(row) })
}

func (b *bench) noCheckouts() {
	b.Helper()
	left, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil || len(left) > 0 {
		b.Errorf("checkouts are left: %v, %v", left, err)
	}
}

func TestABuildGetsWhatItsRowSaysAndNothingStays(t *testing.T) {
	b := newBench(t)
	var got build.Request
	b.build = func(_ context.Context, r build.Request) (build.Result, error) {
		got = r
		commit, err := os.ReadFile(filepath.Join(r.ContextDir, "commit"))
		if string(commit) != "c1" {
			t.Errorf("the context holds %q, %v", commit, err)
		}
		return build.Result{Image: "sha256:made"}, nil
	}
	b.queue("b1", build.Spec{Name: "web/Dockerfile", Context: "c1", Dockerfile: []byte("FROM scratch"), Ignore: []byte("*.log"),
		Args: map[string]string{"FOLDER": "/app/web"}, Labels: map[string]string{"project": "p1"}, Secrets: map[string]string{"NPM_TOKEN": "token"}})
	if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
	if row := b.row("b1"); row.State != berth.BuildSucceeded || row.Image != "sha256:made" || row.EndedAt.IsZero() {
		t.Errorf("the row says %+v", row)
	}
	if got.Secrets["NPM_TOKEN"].Reveal() != "the value" {
		t.Error("the secret mount does not hold the secret's value")
	}
	if got.Labels["project"] != "p1" || got.Labels["server"] != "s1" || got.Args["FOLDER"] != "/app/web" ||
		string(got.Ignore) != "*.log" || got.Tag != "berth/build-projectaaa:b1" {
		t.Errorf("the request is %+v", got)
	}
	b.noCheckouts()
}

func TestABuildIsClaimedOnce(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	b.build = func(ctx context.Context, _ build.Request) (build.Result, error) {
		if _, err := b.newLoop().Turn(ctx, "b1"); err != nil { // as another worker would
			t.Error(err)
		}
		return build.Result{Image: "sha256:made"}, nil
	}
	for range 2 {
		if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.ran.Load(); n != 1 {
		t.Errorf("the builder ran %d times", n)
	}
}

func TestWhatADeadServerLeftRunningIsQueuedAgain(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	b.set("b1", func(row *berth.Build) { row.State, row.StartedAt = berth.BuildRunning, time.Now() })
	if err := os.MkdirAll(filepath.Join(b.dir, "b1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.loop.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := b.row("b1"); row.State != berth.BuildQueued || !row.StartedAt.IsZero() {
		t.Errorf("after the restart the build is %s since %s", row.State, row.StartedAt)
	}
	b.noCheckouts()
	if keys, err := b.loop.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("keys %v, %v", keys, err)
	}
}

// run starts a real loop of reconciler with whatever the store tells, as daemon does.
func (b *bench) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &reconciler.Loop{Keys: b.loop.Keys, Turn: b.loop.Turn, Interrupt: b.loop.Interrupt, Every: time.Hour}
	changes, ended := b.store.Subscribe(ctx), make(chan struct{}, 2)
	go func() {
		for range changes {
			l.Hint("")
		}
		ended <- struct{}{}
	}()
	go func() {
		if err := l.Run(ctx); err != nil {
			b.Error(err)
		}
		ended <- struct{}{}
	}()
	return sync.OnceFunc(func() { cancel(); <-ended; <-ended })
}

func TestARunningBuildEndsWhenItIsCancelledOrItsDeploymentGoes(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"cancelled": func(b *bench) {
			b.set("b1", func(row *berth.Build) { row.State, row.Message = berth.BuildCancelled, "cancelled by ann" })
		},
		"deployment deleted": func(b *bench) {
			b.update(func(tx *sqlite.Tx) error { return tx.DeleteDeployment(deployment) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			began, ended := make(chan struct{}), make(chan error, 1)
			b.build = func(ctx context.Context, _ build.Request) (build.Result, error) {
				close(began)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return build.Result{}, ctx.Err()
			}
			stop := b.run()
			defer stop()
			b.queue("b1", build.Spec{})
			<-began
			end(b)
			select {
			case cause := <-ended:
				if !errors.Is(cause, reconciler.ErrInterrupted) {
					t.Errorf("it ended by %v", cause)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the build goes on")
			}
			stop()
			if name == "cancelled" {
				if row := b.row("b1"); row.State != berth.BuildCancelled || row.Message != "cancelled by ann" {
					t.Errorf("the row says %s %q", row.State, row.Message)
				}
			}
			b.noCheckouts()
		})
	}
}

func TestAServerThatStopsLeavesTheBuildToTheNext(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	ctx, cancel := context.WithCancel(t.Context())
	b.build = func(ctx context.Context, _ build.Request) (build.Result, error) {
		cancel()
		return build.Result{}, ctx.Err()
	}
	if _, err := b.loop.Turn(ctx, "b1"); err != nil {
		t.Errorf("stopping is no failure: %v", err)
	}
	if row := b.row("b1"); row.State != berth.BuildRunning || row.Attempts != 0 {
		t.Errorf("the row says %s after %d attempts", row.State, row.Attempts)
	}
}

func TestABuildersFaultIsTriedAgainAndThenNamed(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	b.build = func(context.Context, build.Request) (build.Result, error) { return build.Result{}, errBroken }
	turns := 0
	for ; b.row("b1").State == berth.BuildQueued; turns++ {
		_, err := b.loop.Turn(t.Context(), "b1")
		if again := b.row("b1").State == berth.BuildQueued; again != errors.Is(err, errBroken) {
			t.Errorf("queued again: %v, but the loop's backoff hears %v", again, err)
		}
	}
	row := b.row("b1")
	if row.State != berth.BuildFailed || !strings.Contains(row.Message, errBroken.Error()) || turns < 2 {
		t.Errorf("after %d turns: %s %q", turns, row.State, row.Message)
	}
	b.noCheckouts()
}

func TestWithoutRoomOnTheDiskNothingIsBuilt(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	b.room = berth.Errorf(berth.EUnavailable, "the disk that holds / has 1 GiB left")
	b.build = func(context.Context, build.Request) (build.Result, error) {
		t.Error("it was built")
		return build.Result{}, nil
	}
	for !b.row("b1").State.Done() {
		if _, err := b.loop.Turn(t.Context(), "b1"); berth.CodeOf(err) != berth.EUnavailable && err != nil {
			t.Fatal(err)
		}
	}
	if row := b.row("b1"); row.State != berth.BuildFailed || row.Message != b.room.Error() {
		t.Errorf("got %s: %q", row.State, row.Message)
	}
}

func TestADockerfilesFaultIsNotTriedAgainAndNamesTheCommand(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	b.build = func(context.Context, build.Request) (build.Result, error) {
		return build.Result{}, &build.Failure{Command: "RUN npm ci", File: "web/Dockerfile", Line: 7, ExitCode: 1,
			Tail: []string{"npm error missing lock file"}, Remedy: "commit package-lock.json"}
	}
	if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
	row := b.row("b1")
	for _, part := range []string{"web/Dockerfile:7", "RUN npm ci", "exit code 1", "npm error missing lock file", "commit package-lock.json"} {
		if !strings.Contains(row.Message, part) {
			t.Errorf("%q does not say %q", row.Message, part)
		}
	}
	if row.State != berth.BuildFailed || row.Attempts != 0 {
		t.Errorf("the row says %s after %d attempts", row.State, row.Attempts)
	}
}

func TestASecretThatCannotBeOpenedIsNotBuiltWithout(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{Secrets: map[string]string{"A": "unknown"}})
	if _, err := b.loop.Turn(t.Context(), "b1"); err == nil || b.ran.Load() != 0 {
		t.Errorf("the builder ran %d times, error %v", b.ran.Load(), err)
	}
}

func TestADeploymentDeletedWhileItsBuildEndsLeavesNoRow(t *testing.T) {
	b := newBench(t)
	b.queue("b1", build.Spec{})
	b.build = func(context.Context, build.Request) (build.Result, error) {
		b.update(func(tx *sqlite.Tx) error { return tx.DeleteDeployment(deployment) })
		return build.Result{Image: "sha256:late"}, nil
	}
	if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
		t.Errorf("nothing is wrong: %v", err)
	}
	if keys, err := b.loop.Keys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("keys %v, %v", keys, err)
	}
	if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
		t.Errorf("a build that is gone: %v", err)
	}
}

func TestWhatIsWrongWithASourceIsAnEvent(t *testing.T) {
	b := newBench(t)
	b.build = func(context.Context, build.Request) (build.Result, error) {
		return build.Result{Image: "sha256:made"}, nil
	}
	b.queue("b1", build.Spec{Context: "noted"})
	if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
	var told []string
	if err := b.store.View(t.Context(), func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), deployment, 0, 10)
		for _, e := range events {
			told = append(told, e.Slug+"/"+e.Element+": "+e.Message)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || !strings.HasSuffix(told[0], "/web: logo.png is not the file itself") {
		t.Errorf("told: %q", told)
	}
}

// TestWhatIsBuiltAlreadyIsNotBuiltBesides: two deployments follow a branch, and ask for the same.
func TestWhatIsBuiltAlreadyIsNotBuiltBesides(t *testing.T) {
	b := newBench(t)
	began, end := make(chan struct{}), make(chan struct{})
	b.build = func(context.Context, build.Request) (build.Result, error) {
		close(began)
		<-end
		return build.Result{Image: "sha256:made"}, nil
	}
	b.queue("b1", build.Spec{Name: "web/Dockerfile", Context: "c1"})
	b.queue("b2", build.Spec{Name: "web/Dockerfile", Context: "c1"})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.loop.Turn(t.Context(), "b1"); err != nil {
			t.Error(err)
		}
	})
	<-began
	row := func(id berth.ID) (row berth.Build) {
		b.update(func(tx *sqlite.Tx) (err error) { row, err = tx.Build(id); return err })
		return row
	}
	turn := func(id berth.ID) berth.Build {
		if _, err := b.loop.Turn(t.Context(), id); err != nil {
			t.Error(err)
		}
		return row(id)
	}
	if second := turn("b2"); second.State != berth.BuildQueued {
		t.Errorf("beside the first the second is %s", second.State)
	}
	close(end)
	wg.Wait()
	if second := turn("b2"); second.State != berth.BuildSucceeded || second.Image != "sha256:made" || !strings.Contains(second.Message, "b1") || b.ran.Load() != 1 {
		t.Errorf("after %d builds the second is %+v", b.ran.Load(), second)
	}

	// One that is asked for later is: whoever asked knew of the others, so their image is gone.
	b.build = func(context.Context, build.Request) (build.Result, error) {
		return build.Result{Image: "sha256:anew"}, nil
	}
	b.queue("b3", build.Spec{Name: "web/Dockerfile", Context: "c1"})
	if third := turn("b3"); third.Image != "sha256:anew" {
		t.Errorf("the third is %+v", third)
	}
}
