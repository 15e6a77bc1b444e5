// Package reconciler holds what every loop shares: a queue of keys, one turn at a time per key,
// backoff after failures and a full pass on a timer. One sub-package per loop says what a turn does.
//
// It must not know what a key stands for, the store or the engine.
package reconciler

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// Loop drives keys toward what is wanted. Hints say "look again" and may be lost or repeated:
// every Every, Keys is read and all of them get a turn.
type Loop struct {
	Name string
	// Keys lists everything that may need a turn.
	Keys func(ctx context.Context) ([]berth.ID, error)
	// Turn takes one bounded step for a key. It returns when to come back at the latest
	// (zero: only when hinted or at the next full pass). An error requeues with backoff.
	// Its context is cancelled with ErrInterrupted when Interrupt says so.
	Turn func(ctx context.Context, key berth.ID) (again time.Duration, err error)
	// Interrupt is asked, when a hint arrives for a key whose turn is running, whether that turn
	// should end at once. Nil: never.
	Interrupt func(ctx context.Context, key berth.ID) bool
	Workers   int           // turns at once; at least 1
	Every     time.Duration // full pass; default 30 s
	MinRetry  time.Duration // first backoff; default 500 ms
	MaxRetry  time.Duration // default 30 s
	Log       *slog.Logger

	queue *queue
	once  sync.Once
}

// ErrInterrupted is the cause of a turn's context that Interrupt ended.
var ErrInterrupted = errors.New("interrupted: something else is wanted now")

func (l *Loop) defaults() {
	l.once.Do(func() {
		l.queue = newQueue()
		l.Workers = max(l.Workers, 1)
		if l.Every == 0 {
			l.Every = 30 * time.Second
		}
		if l.MinRetry == 0 {
			l.MinRetry = 500 * time.Millisecond
		}
		if l.MaxRetry == 0 {
			l.MaxRetry = 30 * time.Second
		}
		if l.Log == nil {
			l.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// Hint asks for a turn of key soon; the empty key asks for a full pass. It never blocks.
func (l *Loop) Hint(key berth.ID) {
	l.defaults()
	if key == "" {
		l.queue.requestPass()
		return
	}
	if l.queue.add(key) && l.Interrupt != nil {
		l.queue.requestCheck(key)
	}
}

// Running reports whether a turn of key is under way. One that begins later sees what was before this was asked.
func (l *Loop) Running(key berth.ID) bool {
	l.defaults()
	return l.queue.running(key)
}

// Run works until ctx ends and every turn has returned.
func (l *Loop) Run(ctx context.Context) error {
	l.defaults()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range l.Workers {
		wg.Go(func() { l.work(ctx) })
	}
	ticker := time.NewTicker(l.Every)
	defer ticker.Stop()
	l.queue.requestPass()
	for {
		select {
		case <-ctx.Done():
			l.queue.close()
			return nil
		case <-ticker.C:
			l.pass(ctx)
		case <-l.queue.passes:
			l.pass(ctx)
		case key := <-l.queue.checks:
			if l.queue.running(key) && l.Interrupt(ctx, key) {
				l.queue.interrupt(key, ErrInterrupted)
			}
		}
	}
}

func (l *Loop) pass(ctx context.Context) {
	keys, err := l.Keys(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.Log.Error("list keys", "loop", l.Name, "error", err)
		}
		return
	}
	for _, key := range keys {
		l.Hint(key)
	}
}

func (l *Loop) work(ctx context.Context) {
	for {
		turn, key, failures, ok := l.queue.take(ctx)
		if !ok {
			return
		}
		again, err := l.Turn(turn, key)
		interrupted := errors.Is(context.Cause(turn), ErrInterrupted)
		switch {
		case interrupted:
			l.queue.done(key, 0, 0, true)
		case err != nil && ctx.Err() == nil:
			wait := l.backoff(failures + 1)
			l.Log.Warn("turn failed", "loop", l.Name, "key", key, "error", err, "retry", wait)
			l.queue.done(key, failures+1, wait, true)
		default:
			l.queue.done(key, 0, again, again > 0)
		}
	}
}

// backoff doubles from MinRetry to MaxRetry, with up to a quarter of jitter.
func (l *Loop) backoff(failures int) time.Duration {
	wait := l.MinRetry << min(failures-1, 16)
	if wait > l.MaxRetry || wait <= 0 {
		wait = l.MaxRetry
	}
	return wait + time.Duration(rand.Int64N(int64(wait)/4+1))
}
