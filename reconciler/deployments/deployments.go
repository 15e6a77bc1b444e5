// Package deployments is the loop that makes the engine run what each deployment wants: the
// newest release that can serve, nothing, or nothing ever again. It moves releases from starting
// to serving or failed, and writes what it observed.
//
// It must not know how a release comes to be (reconciler/release) or how requests are routed: of
// routing it hears only whether an instance is drained.
package deployments

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/engine"
)

// Store is what the loop needs of the database. Update's function runs in one transaction.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx reads and writes within one transaction.
type Tx interface {
	DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error)
	Deployments(scope berth.Scope, project berth.ID) ([]berth.Deployment, error)
	// Releases leaves out what a release runs; Release has it. UpdateRelease keeps what is stored of it.
	Releases(deployment berth.ID, limit int) ([]berth.Release, error)
	Release(id berth.ID) (berth.Release, error)
	UpdateRelease(r berth.Release) error
	ServingRelease(deployment berth.ID) (r berth.Release, ok bool, err error)
	Observed(deployment berth.ID) (berth.Observed, error)
	PutObserved(deployment berth.ID, o berth.Observed) error
	Volumes(deployment berth.ID) ([]berth.Volume, error)
	AppendEvent(e berth.Event) error
	DeleteDeployment(id berth.ID) error
	DeleteSecrets(owner berth.ID) error
}

// Volumes removes a deployment's storage. RemoveAll is idempotent.
type Volumes interface {
	RemoveAll(ctx context.Context, deployment berth.ID) error
}

// Config is what the loop is made of.
type Config struct {
	Store   Store
	Engine  engine.Engine
	Volumes Volumes
	// Drained reports that no proxy routes to an instance and no request of it is in flight.
	Drained func(instance string) bool
	// Standby is how long the release before stands by after another one began to serve; zero: not at all.
	Standby time.Duration
	// Answered and AnsweredLately count the requests that an instance answered, since it is routed to and in
	// the last minute, and those of them that failed.
	Answered, AnsweredLately func(instance string) (requests, failures uint64)
	// MemoryIsShort reports that the machine has no memory for instances that only stand by.
	MemoryIsShort func() bool
	// LastLines returns the newest n lines that an instance wrote.
	LastLines func(ctx context.Context, deployment berth.ID, instance string, n int) ([]string, error)
	// Storage says of an element whose volumes hold too much why, and whether it may not run for that.
	// Empty: there is nothing to say.
	Storage func(deployment berth.ID, element string) (why string, stop bool)
	// HostName returns the full public name of a generated label.
	HostName func(label string) string
	// Forget drops files kept for a deployment outside volumes: logs, build logs. Idempotent.
	Forget func(ctx context.Context, deployment berth.ID) error
	// Deleted is told when nothing of a deployment is left.
	Deleted func(deployment berth.ID)
	// Lock keeps release preparation out while a deployment is deleted.
	Lock func(ctx context.Context, deployment berth.ID) (unlock func(), err error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Loop takes one step per turn toward what a deployment wants.
type Loop struct {
	Config
	started time.Time // the server's

	mu     sync.Mutex
	rested map[berth.ID]time.Time // when a stopped deployment was last seen so
	trials map[berth.ID]*trial    // of what began to serve lately
}

// New returns the loop; Turn and Keys go into a reconciler.Loop.
func New(c Config) *Loop {
	return &Loop{Config: c, started: c.Now(), rested: map[berth.ID]time.Time{}, trials: map[berth.ID]*trial{}}
}

// awakeSince is since when a deployment could start without a break: neither the time that the server
// was down nor the time that the deployment was stopped counts against a release.
func (l *Loop) awakeSince(id berth.ID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rested := l.rested[id]; rested.After(l.started) {
		return rested
	}
	return l.started
}

func (l *Loop) rest(id berth.ID, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rested[id] = now
}

func (l *Loop) forgetRest(id berth.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rested, id)
}

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

// snapshot is what a turn decides from.
type snapshot struct {
	deployment berth.Deployment
	target     *berth.Release // nil: nothing is complete yet
	observed   berth.Observed
	cloning    bool           // what runs the code has to wait for it
	standby    *berth.Release // what served before the target, while it may have to again
	mayDrain   map[string]bool
}

func (l *Loop) read(ctx context.Context, id berth.ID) (s snapshot, err error) {
	err = l.Store.View(ctx, func(tx Tx) error {
		if s.deployment, err = tx.DeploymentByID(berth.Everything(), id); err != nil {
			return err
		}
		heads, err := readHeads(tx, id)
		if err != nil {
			return err
		}
		if s.target, err = readTarget(tx, heads); err != nil {
			return err
		}
		if s.deployment.Kind == berth.KindDevelopment {
			volumes, err := tx.Volumes(id)
			if err != nil {
				return err
			}
			s.cloning = !berth.HasCode(volumes)
		}
		l.findGenerations(&s, heads)
		s.observed, err = tx.Observed(id)
		return err
	})
	return s, err
}

// readHeads are the newest releases, newest first, and among them the one that serves.
func readHeads(tx Tx, deployment berth.ID) ([]berth.Release, error) {
	heads, err := tx.Releases(deployment, releasesLookedAt)
	if err != nil || len(heads) < releasesLookedAt {
		return heads, err
	}
	serving, serves, err := tx.ServingRelease(deployment) // so many may have failed since
	if err == nil && serves {
		heads = append(heads, serving)
	}
	return heads, err
}

func readTarget(tx Tx, heads []berth.Release) (*berth.Release, error) {
	head := chooseTarget(heads)
	if head == nil {
		return nil, nil
	}
	target, err := tx.Release(head.ID)
	if !runsPreDeploy(target) {
		target = withoutPreDeploy(target)
	}
	return &target, err
}

// releasesLookedAt bounds a turn's reading.
const releasesLookedAt = 50

// Turn takes one step for a deployment. A deployment that is gone needs none.
func (l *Loop) Turn(ctx context.Context, id berth.ID) (again time.Duration, err error) {
	s, err := l.read(ctx, id)
	switch {
	case berth.CodeOf(err) == berth.ENotFound:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read deployment: %w", err)
	case s.deployment.Desire == berth.DesireDelete:
		return l.delete(ctx, s.deployment)
	}
	if s.target == nil {
		return 0, nil // reconciler/release is still preparing the first one
	}
	return l.run(ctx, s, *s.target)
}

func (l *Loop) run(ctx context.Context, s snapshot, target berth.Release) (time.Duration, error) {
	workload, err := l.workload(s, target)
	if err != nil {
		return 0, l.fail(ctx, s, target, err)
	}
	seen, err := l.Engine.Sync(ctx, workload)
	if unsupported := (*engine.Unsupported)(nil); errors.As(err, &unsupported) {
		return 0, l.fail(ctx, s, target, err)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("sync %s: %w", s.deployment.Slug, err), l.noteError(ctx, s, err))
	}
	now := l.Now()
	instances := instancesOf(seen.Instances)
	if v, lost := l.lost(s, target, instances, now); lost {
		return verdictEvery, l.regain(ctx, s, target, v)
	}
	crashes := countCrashes(s, instances)
	stopped := s.deployment.Desire.Rests()
	verdict := verdictOf(target.State)
	if stopped {
		l.rest(s.deployment.ID, now)
	} else {
		verdict = judge(target, instances, crashes, s.deployment.Kind, now, l.awakeSince(s.deployment.ID))
	}
	if verdict.state == berth.ReleaseFailed && target.State != berth.ReleaseFailed {
		verdict.message += l.lastLines(ctx, s, verdict)
	}
	if err := l.record(ctx, s, target, seen, crashes, verdict, now); err != nil {
		return 0, fmt.Errorf("record observation: %w", err)
	}
	if beginsToServe := verdict.state == berth.ReleaseServing && target.State != berth.ReleaseServing; beginsToServe {
		if err := l.beginTrial(ctx, s.deployment, target, instances); err != nil {
			return 0, fmt.Errorf("begin trial: %w", err)
		}
	}
	if s.standby != nil && (seen.Again == 0 || seen.Again > trialEvery) {
		return trialEvery, nil
	}
	if !stopped && verdict.state == berth.ReleaseStarting && (seen.Again == 0 || seen.Again > verdictEvery) {
		return verdictEvery, nil // its deadline passes without any event
	}
	return seen.Again, nil
}

// verdictEvery is how often a starting release is judged when nothing else asks for a turn.
const verdictEvery = 5 * time.Second

func (l *Loop) workload(s snapshot, target berth.Release) (engine.Workload, error) {
	limits, ok := berth.LimitsOf(s.deployment.Size)
	if !ok {
		return engine.Workload{}, berth.Errorf(berth.EInvalid, "there is no size %q", s.deployment.Size)
	}
	w := engine.Workload{
		Deployment: s.deployment.ID,
		Slug:       s.deployment.Slug,
		Kind:       s.deployment.Kind,
		Limits:     limits,
		Drained:    l.drained(s),
		Stopped:    s.deployment.Desire.Rests(),
	}
	for _, h := range s.deployment.Hosts {
		w.PublicHosts = append(w.PublicHosts, l.HostName(h.Label))
	}
	for _, kind := range []berth.ElementKind{berth.KindAddon, berth.KindWorkspace, berth.KindComponent} {
		for _, e := range target.Elements {
			if e.Kind != kind {
				continue
			}
			objects, err := chart.Unmarshal(e.Objects)
			if err != nil {
				return engine.Workload{}, fmt.Errorf("read objects of %s: %w", e.Identifier, err)
			}
			if e.Workloads[berth.PreDeploy] == 0 {
				objects = chart.WithoutPreDeploy(objects)
			}
			w.Elements = append(w.Elements, engine.Element{
				Identifier: e.Identifier, Kind: e.Kind, Objects: objects, Health: e.Health, Restarts: e.Restarts,
				Held:   s.cloning && kind != berth.KindAddon,
				Halted: l.halted(s.deployment.ID, e.Identifier),
			})
		}
	}
	return w, nil
}
