// Package builds is the loop that turns queued build rows into images: it takes a row, checks the
// commit out, runs the builder and writes the result. A row left running by a server that died is
// queued again; the builder's cache makes the second run short.
//
// It must not know what asked for the image nor what the image is for.
package builds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

// Store is what the loop needs of the database.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx reads and writes within one transaction.
type Tx interface {
	Build(id berth.ID) (berth.Build, error)
	UpdateBuild(b berth.Build) error
	QueuedBuilds() ([]berth.Build, error)
	RunningBuilds() ([]berth.Build, error)
	SucceededBuild(project berth.ID, key string) (b berth.Build, ok bool, err error)
	DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error)
	AppendEvent(e berth.Event) error
}

// Git checks trees out of bare repositories, running no hook or filter.
type Git interface {
	// Checkout's notes say for people what of the tree is not as it should be.
	Checkout(ctx context.Context, project berth.ID, commit, dest string) (notes []string, err error)
}

// Config is what the loop is made of.
type Config struct {
	Store   Store
	Git     Git
	Builder build.Builder
	Dir     string // checkouts live below it while a build runs
	// Room says in a sentence why no build may begin just now; nil: there is room for it.
	Room func() error
	// Labels mark every image as ours, beside what the spec says.
	Labels map[string]string
	// Secret returns the value behind a secret token.
	Secret func(ctx context.Context, token string) (berth.Secret, error)
	Log    *slog.Logger
	Now    func() time.Time
}

// Loop runs builds.
type Loop struct {
	Config

	mu      sync.Mutex
	running map[berth.ID]bool // in this process, whatever their rows say

	unwritten sync.Map // berth.ID → true: ended, and the store took no word of it
}

// Label marks images that builds of a server made; its value is the server's id.
const Label = "sh.berth.build"

// TagPrefix begins the name of every image that a build of this loop makes.
const TagPrefix = "berth/build-"

// Tag is the name of a build's image. It keeps the image from what others prune as dangling.
func Tag(project, build berth.ID) string { return TagPrefix + string(project) + ":" + string(build) }

// New returns the loop; Turn, Keys and Interrupt go into a reconciler.Loop.
func New(c Config) *Loop { return &Loop{Config: c, running: map[berth.ID]bool{}} }

// Recover queues again what a dead server left running, and removes its checkouts. Call it once,
// before the loop runs.
func (l *Loop) Recover(ctx context.Context) error {
	if err := os.RemoveAll(l.Dir); err != nil {
		return fmt.Errorf("remove old checkouts: %w", err)
	}
	return l.Store.Update(ctx, func(tx Tx) error {
		running, err := tx.RunningBuilds()
		if err != nil {
			return err
		}
		for _, b := range running {
			b.State, b.StartedAt = berth.BuildQueued, time.Time{}
			if err := tx.UpdateBuild(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// Keys lists the queued builds, oldest first, and those that run here: one of these may have been
// cancelled, or have no row any more, and a hint has it looked at.
func (l *Loop) Keys(ctx context.Context) (ids []berth.ID, err error) {
	err = l.Store.View(ctx, func(tx Tx) error {
		queued, err := tx.QueuedBuilds()
		for _, b := range queued {
			ids = append(ids, b.ID)
		}
		return err
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.AppendSeq(ids, maps.Keys(l.running)), err
}

// begin notes that a build runs here until end is called.
func (l *Loop) begin(id berth.ID) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[id] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.running, id)
	}
}

// Interrupt ends the running turn of a build that was cancelled or whose deployment is gone.
func (l *Loop) Interrupt(ctx context.Context, id berth.ID) bool {
	var b berth.Build
	err := l.Store.View(ctx, func(tx Tx) (err error) { b, err = tx.Build(id); return err })
	return berth.CodeOf(err) == berth.ENotFound || (err == nil && b.State.Done())
}

// Turn runs one build to its end.
func (l *Loop) Turn(ctx context.Context, id berth.ID) (time.Duration, error) {
	b, claimed, err := l.claim(ctx, id)
	if err != nil || !claimed {
		return 0, err
	}
	defer l.begin(b.ID)()
	result, err := l.build(ctx, b)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return 0, nil // cancelled, deleted or shutting down; Recover queues it again where it is still wanted
	}
	again, failed := l.finish(context.WithoutCancel(ctx), b, result, err)
	if failed != nil {
		l.unwritten.Store(id, true)
		return 0, failed
	}
	if again {
		return 0, err // the loop's backoff, then another attempt
	}
	return 0, nil
}

// claim takes a row that waits, or one whose end could not be written: nobody runs that either.
func (l *Loop) claim(ctx context.Context, id berth.ID) (b berth.Build, claimed bool, err error) {
	_, unwritten := l.unwritten.Load(id)
	err = l.Store.Update(ctx, func(tx Tx) error {
		if b, err = tx.Build(id); err != nil {
			return err
		}
		if b.State != berth.BuildQueued && !(unwritten && b.State == berth.BuildRunning) {
			return nil
		}
		if settled, err := l.shared(tx, b); settled || err != nil {
			return err
		}
		claimed = true
		b.State, b.StartedAt = berth.BuildRunning, l.Now()
		return tx.UpdateBuild(b)
	})
	if err == nil || berth.CodeOf(err) == berth.ENotFound {
		l.unwritten.Delete(id)
	}
	if berth.CodeOf(err) == berth.ENotFound {
		return b, false, nil
	}
	return b, claimed && err == nil, err
}

// shared sees to a build of the same content as another one, as when two deployments follow a branch: it
// waits while that one runs, whose end hints at this one, and takes the image that it made meanwhile.
func (l *Loop) shared(tx Tx, b berth.Build) (settled bool, err error) {
	var spec build.Spec
	if err := json.Unmarshal(b.Spec, &spec); err != nil || spec.NoCache {
		return false, nil // one that cannot be read says so when it runs
	}
	running, err := tx.RunningBuilds()
	if err != nil {
		return false, err
	}
	for _, other := range running {
		if other.ID != b.ID && other.Project == b.Project && other.Key == b.Key {
			return true, nil
		}
	}
	other, found, err := tx.SucceededBuild(b.Project, b.Key)
	if err != nil || !found || !other.EndedAt.After(b.CreatedAt) {
		return false, err // an older one was known to whoever asked, and its image is gone
	}
	b.State, b.Image, b.StartedAt, b.EndedAt = berth.BuildSucceeded, other.Image, l.Now(), l.Now()
	b.Message = fmt.Sprintf("build %s made the same meanwhile", other.ID)
	return true, tx.UpdateBuild(b)
}

func (l *Loop) build(ctx context.Context, b berth.Build) (build.Result, error) {
	if err := l.Room(); err != nil {
		return build.Result{}, err
	}
	var spec build.Spec
	if err := json.Unmarshal(b.Spec, &spec); err != nil {
		return build.Result{}, fmt.Errorf("read build spec: %w", err)
	}
	dir := filepath.Join(l.Dir, string(b.ID))
	defer func() { _ = os.RemoveAll(dir) }()
	if err := l.checkout(ctx, b, spec.Context, dir); err != nil {
		return build.Result{}, err
	}
	request := build.Request{
		ID: b.ID, Project: b.Project, Element: b.Element, ContextDir: filepath.Join(dir, filepath.FromSlash(spec.Folder)),
		Dockerfile: spec.Dockerfile, Name: spec.Name, Ignore: spec.Ignore,
		Args: spec.Args, Labels: map[string]string{}, Secrets: map[string]berth.Secret{},
		Tag: Tag(b.Project, b.ID), NoCache: spec.NoCache,
	}
	maps.Copy(request.Labels, spec.Labels)
	maps.Copy(request.Labels, l.Labels)
	for id, token := range spec.Secrets {
		value, err := l.Secret(ctx, token)
		if err != nil {
			return build.Result{}, fmt.Errorf("open secret %s: %w", id, err)
		}
		request.Secrets[id] = value
	}
	return l.Builder.Build(ctx, request, io.Discard)
}

func (l *Loop) checkout(ctx context.Context, b berth.Build, commit, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make checkout directory: %w", err)
	}
	if commit == "" {
		return nil
	}
	notes, err := l.Git.Checkout(ctx, b.Project, commit, dir)
	if err != nil {
		return fmt.Errorf("check out %s: %w", commit, err)
	}
	return l.tell(ctx, b, notes)
}

// tell makes events of what a person should know of a build's source.
func (l *Loop) tell(ctx context.Context, b berth.Build, notes []string) error {
	if len(notes) == 0 {
		return nil
	}
	return l.Store.Update(ctx, func(tx Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), b.Deployment)
		if err != nil {
			return err
		}
		for _, note := range notes {
			e := berth.Event{Project: b.Project, Deployment: b.Deployment, Slug: d.Slug, Element: b.Element, Kind: "build.source", Message: note}
			if err := tx.AppendEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// finish writes the outcome and reports whether the build was queued again.
func (l *Loop) finish(ctx context.Context, b berth.Build, r build.Result, failed error) (retry bool, err error) {
	failure := (*build.Failure)(nil)
	retry = failed != nil && !errors.As(failed, &failure) && b.Attempts < maxAttempts
	err = l.Store.Update(ctx, func(tx Tx) error {
		now, err := tx.Build(b.ID)
		if berth.CodeOf(err) == berth.ENotFound {
			return nil
		}
		if err != nil || now.State.Done() {
			return err
		}
		switch {
		case failed == nil:
			now.State, now.Image, now.EndedAt = berth.BuildSucceeded, r.Image, l.Now()
		case retry:
			now.State, now.Attempts = berth.BuildQueued, b.Attempts+1
		default:
			now.State, now.Message, now.EndedAt = berth.BuildFailed, describe(failed, failure), l.Now()
		}
		return tx.UpdateBuild(now)
	})
	return retry, err
}

// maxAttempts bounds retries of a build whose builder, not whose Dockerfile, failed.
const maxAttempts = 3

// describe gives people the failing command, where it stands, its last lines and the remedy.
func describe(err error, f *build.Failure) string {
	if f == nil {
		if berth.CodeOf(err) != berth.EInternal {
			return berth.MessageOf(err)
		}
		return "the builder failed: " + err.Error()
	}
	var s strings.Builder
	if f.File != "" {
		s.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&s, ":%d", f.Line)
		}
		s.WriteString(": ")
	}
	s.WriteString(f.Error())
	if f.Remedy != "" {
		s.WriteString("\n" + f.Remedy)
	}
	for _, line := range f.Tail {
		s.WriteString("\n  | " + line)
	}
	return s.String()
}
