package reconciler

import (
	"context"
	"sync"

	"github.com/berth-dev/berth"
)

// Locks keeps loops that work on the same key out of each other's way where they must not meet:
// a deployment is not deleted while its release is being prepared.
type Locks struct {
	mu   sync.Mutex
	held map[berth.ID]chan struct{}
}

// Lock blocks until the key is free or ctx ends. unlock must be called once.
func (l *Locks) Lock(ctx context.Context, key berth.ID) (unlock func(), err error) {
	for {
		l.mu.Lock()
		busy, taken := l.held[key]
		if !taken {
			if l.held == nil {
				l.held = map[berth.ID]chan struct{}{}
			}
			mine := make(chan struct{})
			l.held[key] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
