package build

import (
	"context"
	"errors"
	"io"
	"sync"
)

// ErrBuilding is why work was not done, or not to its end: a build runs.
var ErrBuilding = errors.New("a build is under way")

// Idle is a Builder that knows whether one of its builds is under way, for work that must not meet one.
type Idle struct {
	Builder

	mu       sync.Mutex
	building int
	stop     context.CancelCauseFunc // of the work that is under way; nil: none is
	stopped  chan struct{}           // closed when that work is over
}

var _ Builder = (*Idle)(nil)

// NewIdle returns b as an Idle.
func NewIdle(b Builder) *Idle { return &Idle{Builder: b} }

// Build implements Builder. Work that is under way ends first.
func (i *Idle) Build(ctx context.Context, r Request, log io.Writer) (Result, error) {
	i.mu.Lock()
	i.building++
	stopped := i.stopped
	if i.stop != nil {
		i.stop(ErrBuilding)
	}
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.building--
	}()
	if stopped != nil {
		select {
		case <-stopped:
		case <-ctx.Done():
			return Result{}, context.Cause(ctx)
		}
	}
	return i.Builder.Build(ctx, r, log)
}

// While does work unless a build is under way, and ends its ctx when one begins: both are ErrBuilding.
// It blocks until the work is over; one work at a time.
func (i *Idle) While(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	i.mu.Lock()
	if i.building > 0 || i.stop != nil {
		i.mu.Unlock()
		return ErrBuilding
	}
	stopped := make(chan struct{})
	i.stop, i.stopped = cancel, stopped
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.stop, i.stopped = nil, nil
		close(stopped)
	}()
	err := work(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
