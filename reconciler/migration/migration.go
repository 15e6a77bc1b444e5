// Package migration is the loop that moves deployments' trees to the store that is for new ones, one by one:
// it has a deployment stopped, moves its tree, and lets it start again.
//
// It must not know what stores there are or how a tree is moved.
package migration

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// Store is what the loop needs of the database.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx reads and writes within one transaction.
type Tx interface {
	DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error)
	AppendEvent(e berth.Event) error
}

// Volumes moves trees. Move leaves the old one or the new one whole, whenever it ends.
type Volumes interface {
	Left() ([]berth.ID, error)
	Move(ctx context.Context, deployment berth.ID) error
	// Retire gives up stores that nothing is in any more. Sweep finishes deletions that were cut short.
	Retire(ctx context.Context) error
	Sweep(ctx context.Context) error
}

// Config is what the loop is made of.
type Config struct {
	Store   Store
	Volumes Volumes
	// Quiet reports that no container of a deployment runs that could use its volumes, and that none is being
	// started. What would start one later asks whether it is Moving.
	Quiet func(ctx context.Context, deployment berth.ID) (bool, error)
	// Lock keeps release preparation and deletion out.
	Lock func(ctx context.Context, deployment berth.ID) (unlock func(), err error)
	// Changed is told when a deployment has to stop, or may start again.
	Changed func(deployment berth.ID)
	Now     func() time.Time
	Log     *slog.Logger
}

// Loop has one key: the whole machine.
type Loop struct {
	Config

	mu      sync.Mutex
	now     berth.ID // what is being moved
	failed  map[berth.ID]time.Time
	problem string
	swept   bool
}

// Everything is the loop's only key.
const Everything berth.ID = "everything"

// New returns the loop; Turn and Keys go into a reconciler.Loop.
func New(c Config) *Loop { return &Loop{Config: c, failed: map[berth.ID]time.Time{}} }

// Keys returns the only key.
func (l *Loop) Keys(context.Context) ([]berth.ID, error) { return []berth.ID{Everything}, nil }

// Moving says why a deployment has to stop for now; empty: it need not.
func (l *Loop) Moving(deployment berth.ID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now != deployment || deployment == "" {
		return ""
	}
	return "stands still while its volumes are moved to another store"
}

// Problem is why something could not be moved; empty: all goes well.
func (l *Loop) Problem() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

// Turn moves one deployment.
func (l *Loop) Turn(ctx context.Context, _ berth.ID) (time.Duration, error) {
	if !l.swept {
		if err := l.Volumes.Sweep(ctx); err != nil {
			return 0, err
		}
		l.swept = true
	}
	left, err := l.Volumes.Left()
	if err != nil {
		return 0, fmt.Errorf("list trees to move: %w", err)
	}
	if len(left) == 0 {
		l.settle()
		return 0, l.Volumes.Retire(ctx)
	}
	id, wait := l.next(left)
	if wait > 0 {
		return wait, nil
	}
	err = l.move(ctx, id)
	l.note(id, err)
	if err != nil {
		return 0, fmt.Errorf("move volumes of %s: %w", id, err)
	}
	return time.Millisecond, nil
}

// rest is how long one that could not be moved runs on before it has to stop for that again.
const rest = 10 * time.Minute

// next is the one to move, or how long to wait for that: what failed waits.
func (l *Loop) next(left []berth.ID) (id berth.ID, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait = rest
	for _, id := range left {
		at, failed := l.failed[id]
		since := l.Now().Sub(at)
		if !failed || since >= rest {
			return id, 0
		}
		wait = min(wait, rest-since)
	}
	return "", wait
}

// settle forgets what failed, when all have moved.
func (l *Loop) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.failed)
	l.problem = ""
}

func (l *Loop) note(id berth.ID, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failed, id)
	if err != nil {
		l.failed[id], l.problem = l.Now(), berth.MessageOf(err)
	}
}

// standstill bounds how long a deployment may take to stop.
const standstill = 2 * time.Minute

func (l *Loop) move(ctx context.Context, id berth.ID) error {
	unlock, err := l.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l.halt(id)
	defer l.halt("")
	if err := l.awaitQuiet(ctx, id); err != nil {
		return err
	}
	l.Log.Info("move volumes", "deployment", id)
	if err := l.Volumes.Move(ctx, id); err != nil {
		return err
	}
	return l.tell(ctx, id)
}

// halt has a deployment stand still, or none.
func (l *Loop) halt(id berth.ID) {
	l.mu.Lock()
	before := l.now
	l.now = id
	l.mu.Unlock()
	if before != "" {
		l.Changed(before)
	}
	if id != "" {
		l.Changed(id)
	}
}

func (l *Loop) awaitQuiet(ctx context.Context, id berth.ID) error {
	ctx, cancel := context.WithTimeoutCause(ctx, standstill, berth.Errorf(berth.EUnavailable, "it does not stop; Berth tries again later"))
	defer cancel()
	for {
		if quiet, err := l.Quiet(ctx, id); err != nil || quiet {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (l *Loop) tell(ctx context.Context, id berth.ID) error {
	err := l.Store.Update(ctx, func(tx Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), id)
		if err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Kind: "volumes.moved",
			Message: "the volumes of " + d.Slug + " were moved to another store"})
	})
	if berth.CodeOf(err) == berth.ENotFound {
		return nil // nobody's: it will be swept up
	}
	if err != nil {
		return fmt.Errorf("tell of moved volumes: %w", err)
	}
	return nil
}
