// Package saved is the loop that notices when the project file of a running development deployment's
// working tree was saved. It looks at the file's stamp only, and waits until it stays the same.
//
// It must not know what the file says, nor what follows from it.
package saved

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// interval is how often a file is looked at: what was saved is noticed within three of them.
	interval = 500 * time.Millisecond
	// settled is how long a stamp has to stay the same: a file that is being written is not read.
	settled = 300 * time.Millisecond
	// confirmed is how long a deployment counts as running without asking again.
	confirmed = 5 * time.Second
	// burst and refill bound how often what a container writes may make work: so many at once, and then
	// one per refill.
	burst  = 60
	refill = 10 * time.Second
)

// Config is what the loop is made of.
type Config struct {
	// Running lists the development deployments that run.
	Running func(ctx context.Context) ([]berth.ID, error)
	// Runs reports whether a deployment is one of them.
	Runs func(ctx context.Context, deployment berth.ID) (bool, error)
	// Stamp differs whenever the project file was written.
	Stamp func(deployment berth.ID) (string, error)
	// Saved is told of a new stamp. done is false when it has to be told again.
	Saved func(ctx context.Context, deployment berth.ID) (done bool, err error)
	Now   func() time.Time
}

// Loop watches project files.
type Loop struct {
	Config
	mu      sync.Mutex
	watches map[berth.ID]*watch
}

// watch is what is known of one file. Only the turn of its deployment uses it.
type watch struct {
	until   time.Time // when to ask again whether the deployment runs
	stamp   string
	since   time.Time // when this stamp was first seen
	told    bool      // Saved knows this stamp
	credit  int
	granted time.Time // when credit was last refilled
}

// New returns the loop; Turn and Keys go into a reconciler.Loop.
func New(c Config) *Loop { return &Loop{Config: c, watches: map[berth.ID]*watch{}} }

// Keys lists the deployments whose file counts.
func (l *Loop) Keys(ctx context.Context) ([]berth.ID, error) { return l.Running(ctx) }

// Turn looks at one file, and comes back as long as its deployment runs.
func (l *Loop) Turn(ctx context.Context, id berth.ID) (time.Duration, error) {
	w, now := l.watch(id), l.Now()
	if !now.Before(w.until) {
		switch runs, err := l.Runs(ctx, id); {
		case err != nil:
			return 0, err
		case !runs:
			l.forget(id)
			return 0, nil
		}
		w.until = now.Add(confirmed)
	}
	stamp, err := l.Stamp(id)
	switch {
	case err != nil:
		return interval, nil // there is no working tree yet
	case stamp != w.stamp:
		w.stamp, w.since, w.told = stamp, now, false
	case !w.told && now.Sub(w.since) >= settled && w.affords(now):
		if w.told, err = l.Saved(ctx, id); w.told {
			w.credit--
		}
	}
	return interval, err
}

// affords reports whether there is credit left for one more stamp.
func (w *watch) affords(now time.Time) bool {
	if more := int(now.Sub(w.granted) / refill); more > 0 {
		w.credit, w.granted = min(w.credit+more, burst), now
	}
	return w.credit > 0
}

func (l *Loop) watch(id berth.ID) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watches[id] == nil {
		l.watches[id] = &watch{credit: burst, granted: l.Now()}
	}
	return l.watches[id]
}

func (l *Loop) forget(id berth.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watches, id)
}
