package sqlite

import (
	"context"
	"sync"

	"github.com/berth-dev/berth"
)

// hints tells subscribers what commits touched. A publisher only adds to sets; each subscriber's
// own goroutine does the sending.
type hints struct {
	mu     sync.Mutex
	subs   map[*subscriber]struct{}
	closed chan struct{}
	once   sync.Once
	wait   sync.WaitGroup
}

type subscriber struct {
	pending map[berth.ID]struct{} // guarded by hints.mu
	wake    chan struct{}         // holds one: "pending is not empty"
}

func newHints() *hints {
	return &hints{subs: map[*subscriber]struct{}{}, closed: make(chan struct{})}
}

func (h *hints) publish(ids []berth.ID) {
	if len(ids) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subs {
		for _, id := range ids {
			sub.pending[id] = struct{}{}
		}
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}

func (h *hints) subscribe(ctx context.Context) <-chan berth.ID {
	out := make(chan berth.ID)
	sub := &subscriber{pending: map[berth.ID]struct{}{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		close(out)
		return out
	default:
	}
	h.subs[sub] = struct{}{}
	h.wait.Go(func() {
		defer close(out)
		defer h.leave(sub)
		h.serve(ctx, sub, out)
	})
	return out
}

func (h *hints) serve(ctx context.Context, sub *subscriber, out chan<- berth.ID) {
	for {
		select {
		case <-sub.wake:
		case <-ctx.Done():
			return
		case <-h.closed:
			return
		}
		for id := range h.take(sub) {
			select {
			case out <- id:
			case <-ctx.Done():
				return
			case <-h.closed:
				return
			}
		}
	}
}

func (h *hints) take(sub *subscriber) map[berth.ID]struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := sub.pending
	sub.pending = map[berth.ID]struct{}{}
	return taken
}

func (h *hints) leave(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, sub)
}

// close ends every subscription and waits for its goroutine.
func (h *hints) close() {
	h.once.Do(func() {
		h.mu.Lock()
		close(h.closed)
		h.mu.Unlock()
	})
	h.wait.Wait()
}
