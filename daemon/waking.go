package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// wakeTimeout bounds the one transaction that waking a deployment takes.
const wakeTimeout = 10 * time.Second

// waking wakes deployments whose hosts are asked for: many requests may ask for the same one at once.
type waking struct {
	wake func(ctx context.Context, id berth.ID) error

	mu      sync.Mutex
	now     map[berth.ID]bool
	pending sync.WaitGroup
}

// forRequest does not block.
func (w *waking) forRequest(id berth.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now[id] {
		return
	}
	if w.now == nil {
		w.now = map[berth.ID]bool{}
	}
	w.now[id] = true
	w.pending.Go(func() { w.one(id) })
}

func (w *waking) one(id berth.ID) {
	defer w.done(id)
	ctx, cancel := context.WithTimeout(context.Background(), wakeTimeout)
	defer cancel()
	_ = w.wake(ctx, id) // which says itself what went wrong; the next request asks again
}

func (w *waking) done(id berth.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.now, id)
}

// Close waits for what is under way.
func (w *waking) Close() error {
	w.pending.Wait()
	return nil
}
