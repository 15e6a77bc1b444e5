package daemon

import (
	"context"
	"errors"
	"log/slog"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

// cache keeps what the engine holds for later builds within a budget.
type cache struct {
	builder cacheKeeper
	idle    *build.Idle
	budget  func(ctx context.Context) int64
	log     *slog.Logger
}

type cacheKeeper interface {
	CacheSize(ctx context.Context) (int64, error)
	TrimCache(ctx context.Context, keep int64) (freed int64, err error)
}

// trim removes what is beyond the budget. A build goes first: it ends the work, and the next turn goes on.
func (c cache) trim(ctx context.Context) error {
	err := c.idle.While(ctx, func(ctx context.Context) error {
		size, err := c.builder.CacheSize(ctx)
		budget := c.budget(ctx)
		if err != nil || size <= budget {
			return err
		}
		freed, err := c.builder.TrimCache(ctx, budget)
		if err == nil && freed > 0 {
			c.log.Info("build cache", "had", size, "budget", budget, "freed", freed)
		}
		return err
	})
	if errors.Is(err, build.ErrBuilding) {
		return nil
	}
	return err
}

// status is for people.
func (c cache) status(ctx context.Context) (berth.BuildCache, error) {
	size, err := c.builder.CacheSize(ctx)
	if err != nil {
		return berth.BuildCache{}, berth.Errorf(berth.EUnavailable, "the engine does not say how much it keeps for builds: %v", err)
	}
	return berth.BuildCache{UsedBytes: size, BudgetBytes: c.budget(ctx)}, nil
}

// mostCache is the budget where a fifth of the disk is more.
const mostCache = 20 << 30

func defaultCache(disk int64) int64 { return min(mostCache, disk/5) }

// cacheBudget is what was asked for, else what suits the engine's disk.
func (d *Daemon) cacheBudget(ctx context.Context) int64 {
	if d.config.BuildCache > 0 {
		return d.config.BuildCache
	}
	total, err := d.engineDisk(ctx)
	if err != nil { // an engine may live in another file system
		d.log.Debug("look at the engine's disk", "error", err)
		return mostCache
	}
	return defaultCache(total)
}

func (d *Daemon) engineDisk(ctx context.Context) (total int64, err error) {
	root, err := d.engine.Root(ctx)
	if err != nil {
		return 0, err
	}
	_, space, err := spaceAt(root)
	return space.Total, err
}
