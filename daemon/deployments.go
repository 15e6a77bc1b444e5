package daemon

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// those lists the deployments that are such as is asked for.
func (d *Daemon) those(ctx context.Context, are func(berth.Deployment) bool) (ids []berth.ID, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, one := range all {
			if are(one) {
				ids = append(ids, one.ID)
			}
		}
		return err
	})
	return ids, err
}

// oneOf reads a deployment and reports whether it is one of those; one that is gone is not.
func (d *Daemon) oneOf(ctx context.Context, id berth.ID, is func(berth.Deployment) bool) (one berth.Deployment, yes bool, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		one, err = tx.DeploymentByID(berth.Everything(), id)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound {
		return one, false, nil
	}
	return one, err == nil && is(one), err
}
