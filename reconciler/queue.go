package reconciler

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// queue holds each key at most once and never gives out a key whose turn is running.
type queue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	keys   map[berth.ID]*entry
	ready  []berth.ID
	closed bool
	passes chan struct{}
	checks chan berth.ID
}

type entry struct {
	queued   bool
	running  bool
	again    bool // asked for while running
	failures int
	deaf     time.Time // hints before it are ignored: the key waits after a failure
	timer    *time.Timer
	cancel   context.CancelCauseFunc
}

// deafFor is how much of a wait after a failure no hint shortens. What a turn writes about its own
// failure comes back as a hint, and would have it tried again at once, for ever.
const deafFor = 5 * time.Second

func newQueue() *queue {
	q := &queue{keys: map[berth.ID]*entry{}, passes: make(chan struct{}, 1), checks: make(chan berth.ID, 64)}
	q.wake = sync.NewCond(&q.mu)
	return q
}

func (q *queue) requestPass() {
	select {
	case q.passes <- struct{}{}:
	default:
	}
}

// requestCheck drops the request when many wait already: the turn's end or the next pass looks again.
func (q *queue) requestCheck(key berth.ID) {
	select {
	case q.checks <- key:
	default:
	}
}

// add queues key and reports whether its turn is running just now.
func (q *queue) add(key berth.ID) (running bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.addLocked(key)
}

func (q *queue) addLocked(key berth.ID) (running bool) {
	e := q.keys[key]
	if e == nil {
		e = &entry{}
		q.keys[key] = e
	}
	switch {
	case e.running:
		e.again = true
		return true
	case e.queued, q.closed, time.Now().Before(e.deaf):
		return false
	}
	e.stopTimer()
	e.queued = true
	q.ready = append(q.ready, key)
	q.wake.Signal()
	return false
}

// take waits for a key and begins its turn, whose context ends with ctx, by interrupt or by done.
func (q *queue) take(ctx context.Context) (turn context.Context, key berth.ID, failures int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) == 0 && !q.closed {
		q.wake.Wait()
	}
	if q.closed {
		return nil, "", 0, false
	}
	key = q.ready[0]
	q.ready = q.ready[1:]
	e := q.keys[key]
	e.queued, e.running = false, true
	turn, e.cancel = context.WithCancelCause(ctx)
	return turn, key, e.failures, true
}

func (q *queue) running(key berth.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.keys[key]
	return e != nil && e.running
}

func (q *queue) interrupt(key berth.ID, cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.keys[key]; e != nil && e.running {
		e.cancel(cause)
	}
}

// done ends a turn. With requeue the key comes back after wait, or sooner when hinted; after a failure
// the hints that came during the turn do not count, nor those of the next deafFor.
func (q *queue) done(key berth.ID, failures int, wait time.Duration, requeue bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.keys[key]
	e.cancel(nil)
	e.running, e.cancel = false, nil
	hinted := e.again
	e.again, e.failures = false, failures
	switch {
	case q.closed:
	case (hinted && failures == 0) || (requeue && wait == 0):
		q.addLocked(key)
	case requeue:
		if failures > 0 {
			e.deaf = time.Now().Add(min(wait, deafFor))
		}
		e.timer = time.AfterFunc(wait, func() { q.add(key) })
	case !hinted:
		delete(q.keys, key)
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, e := range q.keys {
		e.stopTimer()
	}
	q.wake.Broadcast()
}

func (e *entry) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}
