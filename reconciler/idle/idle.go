// Package idle is the loop that puts deployments to sleep that nobody uses: by when somebody last worked in one, had
// its pages open or waited for its programs, and by what people said of it.
//
// It must not know how a deployment is stopped, woken or asked. What it saw is in memory: after a start of the server
// every deployment counts as used just now.
package idle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// often bounds how seldom a deployment is looked at: a load of programs counts over this time.
	often = 30 * time.Second
	soon  = time.Second
	// sampled is the shortest time over which a load says anything.
	sampled = 500 * time.Millisecond
)

// Config is what the loop is made of.
type Config struct {
	// Running lists the deployments that run and may go to sleep.
	Running func(ctx context.Context) ([]berth.ID, error)
	// Deployment reads one; ok is false for one that does not run.
	Deployment func(ctx context.Context, id berth.ID) (d berth.Deployment, ok bool, err error)
	// After is how long a deployment of a kind may be idle that says nothing itself; zero: any time.
	After func(kind berth.StageKind) time.Duration
	// People counts who works in a deployment, Requests what is on its way to it.
	People   func(id berth.ID) int
	Requests func(id berth.ID) int64
	// CPU is what its programs have used; an error: it is not known.
	CPU   func(id berth.ID) (time.Duration, error)
	Sleep func(ctx context.Context, id berth.ID, why string) error
	Warn  func(ctx context.Context, id berth.ID, message string) error
	Now   func() time.Time
}

// Loop watches how deployments are used.
type Loop struct {
	Config
	mu   sync.Mutex
	seen map[berth.ID]*usage
}

// usage is what is known of one deployment.
type usage struct {
	since    time.Time // last used
	last     string    // by what
	answered time.Time
	cpu      time.Duration
	cpuAt    time.Time
	woken    time.Time
	warned   time.Time // of that time
	at       time.Time // when it goes to sleep, as last judged
}

// New returns the loop; Turn and Keys go into a reconciler.Loop.
func New(c Config) *Loop { return &Loop{Config: c, seen: map[berth.ID]*usage{}} }

// Keys lists the deployments that run.
func (l *Loop) Keys(ctx context.Context) ([]berth.ID, error) { return l.Running(ctx) }

// Requested notes that a request was answered. It does not block.
func (l *Loop) Requested(id berth.ID) {
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.seen[id]; u != nil {
		u.answered = now
	}
}

// Idleness is what was last seen of a deployment that runs; nil: nothing yet.
func (l *Loop) Idleness(d berth.Deployment) *berth.Idleness {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.seen[d.ID]
	if u == nil {
		return nil
	}
	return &berth.Idleness{Since: u.since.UTC(), Last: u.last, SleepsAt: u.at}
}

// Turn looks at one deployment.
func (l *Loop) Turn(ctx context.Context, id berth.ID) (time.Duration, error) {
	d, runs, err := l.Deployment(ctx, id)
	if err != nil || !runs {
		l.forget(id, err)
		return 0, err
	}
	now, after := l.Now(), d.Rest.After
	if after == 0 {
		after = l.After(d.Kind)
	}
	v, warn := l.note(d, after, now)
	switch {
	case v.sleep:
		return often, l.Sleep(ctx, id, v.why)
	case warn:
		message := fmt.Sprintf("%s goes to sleep at %s unless somebody uses it: berth keep-awake %s", d.Slug, v.at.UTC().Format("15:04 MST"), d.Slug)
		if err := l.Warn(ctx, id, message); err != nil {
			return 0, err
		}
	}
	return pause(v, now), nil
}

// pause is shorter the nearer the time is.
func pause(v verdict, now time.Time) time.Duration {
	if v.at.IsZero() {
		return often
	}
	return min(max(v.at.Sub(now)/2, soon), often)
}

// note brings what is known of a deployment up to date and judges it.
func (l *Loop) note(d berth.Deployment, after time.Duration, now time.Time) (v verdict, warn bool) {
	people, requests := l.People(d.ID), l.Requests(d.ID)
	cpu, err := l.CPU(d.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.seen[d.ID]
	if u == nil || !u.woken.Equal(d.Rest.Woken) {
		u = &usage{since: now, last: "it was started", woken: d.Rest.Woken}
		l.seen[d.ID] = u
	}
	present := use{people: people, requests: requests, share: u.load(cpu, err, now)}
	if what, _ := present.by(); what != "" {
		u.since, u.last = now, what
	} else if u.answered.After(u.since) {
		u.since, u.last = u.answered, "a request"
	}
	v = judge(d.Rest, after, present, u.since, now)
	u.at = v.at
	if warn = !v.sleep && !v.at.IsZero() && v.at.Sub(now) <= warning && after > 2*warning && !u.warned.Equal(v.at); warn {
		u.warned = v.at
	}
	return v, warn
}

// load is the share of a core that programs took since the last look.
func (u *usage) load(cpu time.Duration, err error, now time.Time) float64 {
	if err != nil {
		u.cpuAt = time.Time{}
		return 0
	}
	before, at := u.cpu, u.cpuAt
	if !at.IsZero() && now.Sub(at) < sampled {
		return 0
	}
	u.cpu, u.cpuAt = cpu, now
	if at.IsZero() || cpu < before {
		return 0
	}
	return float64(cpu-before) / float64(now.Sub(at))
}

func (l *Loop) forget(id berth.ID, err error) {
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, id)
}
