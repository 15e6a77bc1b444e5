package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/garbage"
	"github.com/berth-dev/berth/sqlite"
)

// forgetReleases drops the rows of releases that deployments can do without, and of builds whose image no
// release runs any more; the sweep of images does the rest. A project that is choosing its next release's
// images just now is left for a later turn.
func (d *Daemon) forgetReleases(ctx context.Context) error {
	var gone []berth.ID
	if err := d.store.Update(ctx, func(tx *sqlite.Tx) (err error) {
		gone, err = forget(tx, time.Now())
		return err
	}); err != nil {
		return err
	}
	var failures []error
	for _, id := range gone {
		failures = append(failures, d.buildLogs.Remove(id))
	}
	return errors.Join(failures...)
}

// forget returns the builds that are forgotten too.
func forget(tx *sqlite.Tx, now time.Time) (gone []berth.ID, err error) {
	busy, err := tx.Preparing()
	if err != nil {
		return nil, err
	}
	long, err := tx.LongHistories(garbage.KeptReleases)
	if err != nil {
		return nil, err
	}
	for _, id := range long {
		builds, err := forgetOf(tx, id, busy, now)
		if err != nil {
			return nil, fmt.Errorf("forget releases of %s: %w", id, err)
		}
		gone = append(gone, builds...)
	}
	builds, err := forgetBuilds(tx, busy)
	return append(gone, builds...), err
}

func forgetOf(tx *sqlite.Tx, deployment berth.ID, busy []berth.ID, now time.Time) (gone []berth.ID, err error) {
	d, err := tx.DeploymentByID(berth.Everything(), deployment)
	if err != nil || slices.Contains(busy, d.ProjectID) {
		return nil, err
	}
	releases, err := tx.Releases(deployment, 0)
	if err != nil {
		return nil, err
	}
	for _, id := range garbage.Expired(releases, now) {
		builds, err := tx.DeleteRelease(id)
		if err != nil {
			return nil, err
		}
		gone = append(gone, builds...)
	}
	return gone, nil
}

// forgetBuilds drops builds of forgotten releases whose image no release runs.
func forgetBuilds(tx *sqlite.Tx, busy []berth.ID) (gone []berth.ID, err error) {
	loose, err := tx.LooseBuilds()
	if err != nil {
		return nil, err
	}
	for _, b := range loose {
		if slices.Contains(busy, b.Project) {
			continue
		}
		used, err := tx.ImageInUse(b.Image)
		if err != nil {
			return nil, err
		}
		if used {
			continue
		}
		if err := tx.DeleteBuild(b.ID); err != nil {
			return nil, err
		}
		gone = append(gone, b.ID)
	}
	return gone, nil
}
