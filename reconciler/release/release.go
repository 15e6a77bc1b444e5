// Package release is the loop that makes a pending release complete: source → stack → packages →
// hosts and parameters → images → rendered objects and volumes. Each turn starts over from what is
// stored, so a server killed anywhere goes on; what was made before is found, not made again.
//
// It must not know how the objects are run or when a release serves: it ends where the release
// is "starting".
package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// Store is what the loop needs of the database.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx reads and writes within one transaction.
type Tx interface {
	Now() time.Time
	ProjectByID(scope berth.Scope, id berth.ID) (berth.Project, error)
	ProjectFile(project berth.ID) (f berth.ProjectFile, ok bool, err error)
	DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error)
	Deployments(scope berth.Scope, project berth.ID) ([]berth.Deployment, error)
	Releases(deployment berth.ID, limit int) ([]berth.Release, error)
	Release(id berth.ID) (berth.Release, error)
	UpdateRelease(r berth.Release) error
	// Stack is that of the newest release that has one and has not failed.
	Stack(deployment berth.ID) (stack []byte, ok bool, err error)
	PutStack(release berth.ID, stack []byte) error
	BuildsOfRelease(release berth.ID) ([]berth.Build, error)
	CreateBuild(b berth.Build) error
	UpdateBuild(b berth.Build) error
	MoveBuild(id, release berth.ID) error
	QueuedBuilds() ([]berth.Build, error)
	RunningBuilds() ([]berth.Build, error)
	SucceededBuild(project berth.ID, key string) (b berth.Build, ok bool, err error)
	Hosts(deployment berth.ID) ([]berth.Host, error)
	AddHost(h berth.Host) error
	Settings(deployment berth.ID) ([]berth.Setting, error)
	SharedSettings(project berth.ID) ([]berth.Setting, error)
	PutSetting(s berth.Setting) error
	PutSecret(owner, id berth.ID, sealed []byte) (version int, err error)
	Secret(id berth.ID, version int) (sealed []byte, err error)
	LatestSecret(id berth.ID) (version int, sealed []byte, err error)
	Volumes(deployment berth.ID) ([]berth.Volume, error)
	PutVolume(v berth.Volume) error
	PutPackageCommit(release berth.ID, pkg, commit string) error
	PackageCommit(release berth.ID, pkg string) (commit string, ok bool, err error)
	AppendEvent(e berth.Event) error
}

// Git reads bare repositories. A missing path is fs.ErrNotExist.
type Git interface {
	Dir(project berth.ID) string
	ReadFile(ctx context.Context, project berth.ID, commit, path string, max int64) ([]byte, error)
	List(ctx context.Context, project berth.ID, commit, dir string) ([]string, error)
	// Digest is equal for commits that have the same in a folder, whatever is at the paths without.
	Digest(ctx context.Context, project berth.ID, commit, dir string, without []string) (string, error)
	// Mentions reports whether a file in a folder matches an extended regular expression.
	Mentions(ctx context.Context, project berth.ID, commit, dir, pattern string) (bool, error)
}

// Volumes keeps deployments' storage on the machine.
type Volumes interface {
	Ensure(ctx context.Context, v berth.Volume) (path string, created bool, err error)
	Path(v berth.Volume) string
	// Reset empties a volume that nothing has used yet.
	Reset(ctx context.Context, v berth.Volume) error
	ReadFile(deployment berth.ID, v berth.Volume, rel string, max int64) ([]byte, error)
}

// Images makes references runnable on this machine.
type Images interface {
	Ensure(ctx context.Context, ref string, progress io.Writer) (image string, err error)
	// Present reports whether the engine still has an image, and which ports it exposes.
	Present(ctx context.Context, image string) (exposed []int, ok bool, err error)
}

// Vault seals and opens secrets.
type Vault interface {
	Seal(s berth.Secret) ([]byte, error)
	Unseal(sealed []byte) (berth.Secret, error)
}

// Config is what the loop is made of.
type Config struct {
	Store   Store
	Git     Git
	Volumes Volumes
	Images  Images
	Runner  engine.Runner
	Vault   Vault
	// Catalogue holds the built-in packages, one folder each.
	Catalogue fs.FS
	Packages  Packages
	Tools     string // image with Git, for tasks in a deployment
	HostName  func(label string) string
	HostURL   func(label string) string // https://host[:port], no trailing slash
	// CloneURL is the origin that working trees of Berth's own repositories get.
	CloneURL func(project berth.Project) string
	Lock     func(ctx context.Context, deployment berth.ID) (unlock func(), err error)
	// Beside starts what a turn does beside its main work, and returns what waits for its end.
	Beside func(work func() error) (wait func() error)
	Random io.Reader
	Now    func() time.Time
	Log    *slog.Logger
}

// Loop prepares releases.
type Loop struct {
	Config
	mentions remembered // which folders' files lead to which others
}

// New returns the loop; Turn, Keys and Interrupt go into a reconciler.Loop.
func New(c Config) *Loop { return &Loop{Config: c} }

// Keys lists every deployment.
func (l *Loop) Keys(ctx context.Context) (ids []berth.ID, err error) {
	err = l.Store.View(ctx, func(tx Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		return err
	})
	return ids, err
}

// Interrupt ends the preparation for a deployment that is to be deleted.
func (l *Loop) Interrupt(ctx context.Context, id berth.ID) bool {
	var d berth.Deployment
	err := l.Store.View(ctx, func(tx Tx) (err error) {
		d, err = tx.DeploymentByID(berth.Everything(), id)
		return err
	})
	return berth.CodeOf(err) == berth.ENotFound || d.Desire == berth.DesireDelete
}

// job is one turn's work: the newest release of one deployment.
type job struct {
	project    berth.Project
	deployment berth.Deployment
	release    berth.Release
	kept       string // which elements were not built anew, for people
}

// Turn goes as far as it can with the newest pending release of a deployment, and beside that sees to its
// working tree: neither needs the other before something of the release is started that uses the code.
func (l *Loop) Turn(ctx context.Context, id berth.ID) (time.Duration, error) {
	unlock, err := l.Lock(ctx, id)
	if err != nil {
		return 0, err
	}
	defer unlock()
	j, err := l.next(ctx, id)
	if err != nil || j == nil {
		return 0, err
	}
	cloned, err := l.startClone(ctx, j)
	if err == nil && j.incomplete() {
		err = l.prepare(ctx, j)
	}
	if errors.Is(err, errWaiting) {
		err = nil // a finished build touches the deployment, which hints us
	}
	if failed := cloned(); err == nil {
		err = failed
	}
	return 0, l.conclude(ctx, j, err)
}

// conclude says what became of a turn. An error that trying again could not help fails the release.
func (l *Loop) conclude(ctx context.Context, j *job, err error) error {
	switch {
	case err == nil:
		return l.explain(ctx, j, "")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case final(err):
		return l.failed(ctx, j, err)
	}
	return errors.Join(fmt.Errorf("prepare release %d of %s: %w", j.release.Revision, j.deployment.Slug, err),
		l.explain(ctx, j, "Berth cannot go on just now and keeps trying: "+berth.MessageOf(err)))
}

// errWaiting means that builds are on their way.
var errWaiting = errors.New("waiting for builds")

// final reports whether trying again could not help.
func final(err error) bool {
	switch berth.CodeOf(err) {
	case berth.EInvalid, berth.ENotFound, berth.EConflict, berth.EUnsupported:
		return true
	}
	return false
}

// incomplete reports whether there is something to prepare.
func (j *job) incomplete() bool {
	return j.release.State == berth.ReleasePending || j.release.State == berth.ReleaseBuilding
}

// next finds the newest release if it is not complete, or starts without a working tree, and supersedes
// older ones in the same state.
func (l *Loop) next(ctx context.Context, id berth.ID) (j *job, err error) {
	var newest berth.Release
	var stale []berth.Release
	err = l.Store.View(ctx, func(tx Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), id)
		if err != nil || d.Desire == berth.DesireDelete {
			return err
		}
		releases, err := tx.Releases(id, 50)
		if err != nil {
			return err
		}
		for i, r := range releases {
			if i > 0 && (r.State == berth.ReleasePending || r.State == berth.ReleaseBuilding) {
				stale = append(stale, r)
			}
			if i > 0 && r.State == berth.ReleaseStarting && releases[0].State == berth.ReleaseStarting {
				stale = append(stale, r)
			}
		}
		if len(releases) == 0 {
			return nil
		}
		newest = releases[0]
		one := &job{deployment: d, release: newest}
		if !one.incomplete() {
			if one.release.State != berth.ReleaseStarting || d.Kind != berth.KindDevelopment {
				return nil
			}
			if volumes, err := tx.Volumes(d.ID); err != nil || berth.HasCode(volumes) {
				return err
			}
		}
		j = one
		j.project, err = tx.ProjectByID(berth.Everything(), d.ProjectID)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound {
		return nil, nil
	}
	if err != nil || len(stale) == 0 {
		return j, err
	}
	return j, l.supersede(ctx, newest, stale)
}

// step tells people what is being done now. While builds run, that is what they wait for: a turn that
// only looks whether the builds are done must write nothing, or it would hint at itself for ever.
func (l *Loop) step(ctx context.Context, j *job, text string) error {
	if j.release.State == berth.ReleaseBuilding || j.release.Step == text && j.release.Message == "" {
		return nil
	}
	j.release.Step, j.release.Message = text, ""
	return l.save(ctx, j)
}

func (l *Loop) save(ctx context.Context, j *job) error {
	return l.Store.Update(ctx, func(tx Tx) error { return tx.UpdateRelease(j.release) })
}

func (l *Loop) failed(ctx context.Context, j *job, cause error) error {
	return l.Store.Update(ctx, func(tx Tx) error {
		if decided, err := j.decided(tx); decided || err != nil {
			return err
		}
		j.release.State, j.release.Step, j.release.Message = berth.ReleaseFailed, "", berth.MessageOf(cause)
		if err := tx.UpdateRelease(j.release); err != nil {
			return err
		}
		if err := l.takeOver(tx, j.release, nil); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: j.project.ID, Deployment: j.deployment.ID, Slug: j.deployment.Slug,
			Kind: "release.failed", Message: fmt.Sprintf("release %d failed: %s", j.release.Revision, j.release.Message)})
	})
}

// explain shows why the preparation cannot go on just now, while it stays and is tried again.
func (l *Loop) explain(ctx context.Context, j *job, message string) error {
	if j.release.Message == message {
		return nil
	}
	return l.Store.Update(ctx, func(tx Tx) error {
		if decided, err := j.decided(tx); decided || err != nil {
			return err
		}
		j.release.Message = message
		return tx.UpdateRelease(j.release)
	})
}

// decided reports whether somebody else has found out meanwhile what becomes of the release: it may have
// been starting while its code was cloned.
func (j *job) decided(tx Tx) (bool, error) {
	stored, err := tx.Release(j.release.ID)
	switch stored.State {
	case berth.ReleaseServing, berth.ReleaseSuperseded, berth.ReleaseFailed:
		return true, err
	}
	return false, err
}
