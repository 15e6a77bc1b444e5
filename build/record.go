package build

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/berth-dev/berth"
)

// Record returns a Builder whose builds also write their log, and how they ended, to what open
// returns for them. A log that cannot be written to does not fail the build.
func Record(b Builder, open func(build berth.ID) (io.WriteCloser, error)) Builder {
	return &recorded{Builder: b, open: open}
}

type recorded struct {
	Builder
	open func(build berth.ID) (io.WriteCloser, error)
}

var _ Builder = (*recorded)(nil)

func (rec *recorded) Build(ctx context.Context, r Request, log io.Writer) (Result, error) {
	stored, err := rec.open(r.ID)
	if err != nil {
		return Result{}, fmt.Errorf("open build log: %w", err)
	}
	defer stored.Close() // a follower's end; what was written is written
	both := tee{stored, log}
	began := time.Now()
	result, err := rec.Builder.Build(ctx, r, both)
	_, _ = fmt.Fprintln(both, ending(result, err, time.Since(began)))
	return result, err
}

func ending(r Result, err error, took time.Duration) string {
	if err != nil {
		return fmt.Sprintf("failed after %.1f s: %v", took.Seconds(), err)
	}
	return fmt.Sprintf("built %s in %.1f s", r.Image, took.Seconds())
}

// tee writes to every writer, whether or not another one fails.
type tee []io.Writer

func (t tee) Write(p []byte) (int, error) {
	for _, w := range t {
		_, _ = w.Write(p)
	}
	return len(p), nil
}
