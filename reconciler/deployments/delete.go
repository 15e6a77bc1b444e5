package deployments

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
)

// removeEvery is how soon the next step of a removal follows.
const removeEvery = 200 * time.Millisecond

// delete takes one step toward nothing of the deployment being left. The row goes last, so that a
// server killed anywhere in between finds it and goes on.
func (l *Loop) delete(ctx context.Context, d berth.Deployment) (time.Duration, error) {
	unlock, err := l.Lock(ctx, d.ID)
	if err != nil {
		return 0, err
	}
	defer unlock()
	gone, err := l.Engine.Remove(ctx, d.ID)
	switch {
	case err != nil:
		return 0, fmt.Errorf("remove %s from the engine: %w", d.Slug, err)
	case !gone:
		return removeEvery, nil
	}
	if err := l.Volumes.RemoveAll(ctx, d.ID); err != nil {
		return 0, fmt.Errorf("remove volumes of %s: %w", d.Slug, err)
	}
	if err := l.Forget(ctx, d.ID); err != nil {
		return 0, fmt.Errorf("forget files of %s: %w", d.Slug, err)
	}
	if err := l.forgetRow(ctx, d); err != nil {
		return 0, err
	}
	l.forgetRest(d.ID)
	l.Deleted(d.ID)
	return 0, nil
}

func (l *Loop) forgetRow(ctx context.Context, d berth.Deployment) error {
	return l.Store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteSecrets(d.ID); err != nil {
			return err
		}
		if err := tx.DeleteDeployment(d.ID); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Slug: d.Slug, Kind: "deployment.deleted",
			Message: d.Slug + " is gone, with its containers, network, images and volumes"})
	})
}
