// Package keylock lets one at a time work on the same key.
//
// It must not know what keys stand for.
package keylock

import (
	"context"
	"sync"
)

// Locks keeps who works on the same key out of each other's way where they must not meet. The zero Locks is ready,
// holds nothing for keys that are free, and is safe for concurrent use.
type Locks[K comparable] struct {
	mu   sync.Mutex
	held map[K]chan struct{}
}

// Lock blocks until the key is free or ctx ends. unlock must be called once.
func (l *Locks[K]) Lock(ctx context.Context, key K) (unlock func(), err error) {
	for {
		l.mu.Lock()
		busy, taken := l.held[key]
		if !taken {
			if l.held == nil {
				l.held = map[K]chan struct{}{}
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
