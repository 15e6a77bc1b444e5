package release

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
)

// supersede ends releases of a deployment that a newer one overtook before they served.
func (l *Loop) supersede(ctx context.Context, newest berth.Release, stale []berth.Release) error {
	return l.Store.Update(ctx, func(tx Tx) error {
		for _, r := range stale {
			before := "served"
			if r.State != berth.ReleaseStarting {
				before = "was built"
			}
			r.State, r.Step = berth.ReleaseSuperseded, ""
			r.Message = fmt.Sprintf("release %d came before this one %s", newest.Revision, before)
			if err := tx.UpdateRelease(r); err != nil {
				return err
			}
		}
		if newest.State == berth.ReleasePending || newest.State == berth.ReleaseBuilding {
			return nil // it may want what is being built for them: see takeOver
		}
		return l.takeOver(tx, newest, nil)
	})
}

// takeOver gives a release those unfinished builds of earlier releases of its deployment that make what it
// wants, and cancels the others: nobody waits for them. Other deployments have builds of their own.
func (l *Loop) takeOver(tx Tx, newest berth.Release, wanted []berth.Build) error {
	open, err := unfinished(tx, newest.Deployment)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, b := range open {
		has[b.Element] = has[b.Element] || b.Release == newest.ID
	}
	for _, b := range open {
		switch {
		case b.Release == newest.ID:
		case newest.Cause != berth.CauseRebuild && !has[b.Element] && isWanted(b, wanted):
			has[b.Element] = true
			err = tx.MoveBuild(b.ID, newest.ID)
		default:
			b.State, b.EndedAt = berth.BuildCancelled, l.Now()
			b.Message = fmt.Sprintf("skipped: release %d came before it ended", newest.Revision)
			err = tx.UpdateBuild(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skipOthers is takeOver for a release that wants no build.
func (l *Loop) skipOthers(ctx context.Context, newest berth.Release) error {
	var open []berth.Build
	if err := l.Store.View(ctx, func(tx Tx) (err error) {
		open, err = unfinished(tx, newest.Deployment)
		return err
	}); err != nil || len(open) == 0 {
		return err
	}
	return l.Store.Update(ctx, func(tx Tx) error { return l.takeOver(tx, newest, nil) })
}

// unfinished returns a deployment's builds that wait or run, those that run first.
func unfinished(tx Tx, deployment berth.ID) (open []berth.Build, err error) {
	for _, list := range []func() ([]berth.Build, error){tx.RunningBuilds, tx.QueuedBuilds} {
		all, err := list()
		if err != nil {
			return nil, err
		}
		for _, b := range all {
			if b.Deployment == deployment {
				open = append(open, b)
			}
		}
	}
	return open, nil
}

func isWanted(b berth.Build, wanted []berth.Build) bool {
	for _, w := range wanted {
		if w.Element == b.Element && w.Key == b.Key {
			return true
		}
	}
	return false
}
