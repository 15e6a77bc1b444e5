package build

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/semaphore"
)

// Limit returns a Builder that has at most n builds of b under way. The others wait in the order they
// came; one whose ctx ends leaves the queue.
func Limit(b Builder, n int) Builder {
	return &limited{Builder: b, slots: semaphore.NewWeighted(int64(n))}
}

type limited struct {
	Builder
	slots *semaphore.Weighted
}

var _ Builder = (*limited)(nil)

func (l *limited) Build(ctx context.Context, r Request, log io.Writer) (Result, error) {
	if err := l.slots.Acquire(ctx, 1); err != nil {
		return Result{}, fmt.Errorf("wait for a builder: %w", context.Cause(ctx))
	}
	defer l.slots.Release(1)
	return l.Builder.Build(ctx, r, log)
}
