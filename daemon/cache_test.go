package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/berth-dev/berth/build"
)

type fakeCache struct {
	size int64
	kept []int64
	err  error
}

func (f *fakeCache) CacheSize(context.Context) (int64, error) { return f.size, f.err }

func (f *fakeCache) TrimCache(_ context.Context, keep int64) (int64, error) {
	f.kept = append(f.kept, keep)
	freed := f.size - keep
	f.size = keep
	return freed, nil
}

// whileBuilding calls a function in the middle of a build.
type whileBuilding func()

func (w whileBuilding) Build(context.Context, build.Request, io.Writer) (build.Result, error) {
	w()
	return build.Result{}, nil
}

func TestTheBuildCacheIsTrimmedBeyondItsBudgetAlone(t *testing.T) {
	f := &fakeCache{size: 100}
	c := cache{builder: f, budget: func(context.Context) int64 { return 100 }, log: slog.New(slog.DiscardHandler)}
	c.idle = build.NewIdle(whileBuilding(func() {
		f.size = 150
		if err := c.trim(t.Context()); err != nil || len(f.kept) != 0 {
			t.Errorf("beside a build: %v, trimmed to %v", err, f.kept)
		}
	}))
	if err := c.trim(t.Context()); err != nil || len(f.kept) != 0 {
		t.Errorf("within its budget: %v, trimmed to %v", err, f.kept)
	}
	if _, err := c.idle.Build(t.Context(), build.Request{}, io.Discard); err != nil {
		t.Error(err)
	}
	if err := c.trim(t.Context()); err != nil || len(f.kept) != 1 || f.kept[0] != 100 {
		t.Errorf("beyond its budget: %v, trimmed to %v", err, f.kept)
	}
	f.err = errors.New("no engine")
	if err := c.trim(t.Context()); !errors.Is(err, f.err) {
		t.Errorf("error %v", err)
	}
	for disk, want := range map[int64]int64{10 << 30: 2 << 30, 1 << 40: 20 << 30} {
		if got := defaultCache(disk); got != want {
			t.Errorf("of a disk of %d: %d, want %d", disk, got, want)
		}
	}
}
