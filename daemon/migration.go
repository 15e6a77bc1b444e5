package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/migration"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/volume"
)

// newMigrationLoop is the loop that moves volumes from store to store.
func (d *Daemon) newMigrationLoop() *migration.Loop {
	return migration.New(migration.Config{
		Store:   storeFor[migration.Tx]{d.store, func(tx *sqlite.Tx) migration.Tx { return tx }},
		Volumes: d.volumes, Quiet: d.isQuiet, Lock: d.loops.locks.Lock,
		Changed: func(id berth.ID) { d.loops.deployments.Hint(id) }, Now: time.Now, Log: d.log,
	})
}

// isQuiet reports whether nothing of a deployment runs, and nothing is about to start something: a turn that is
// under way may know nothing of what it would have to wait for.
func (d *Daemon) isQuiet(ctx context.Context, id berth.ID) (bool, error) {
	if d.loops.deployments.Running(id) {
		return false, nil
	}
	return d.engine.Quiet(ctx, id)
}

// storage is the volume store as the verbs see it.
type storage struct{ daemon *Daemon }

// Storage adds to what the store knows which deployments have still to move.
func (s storage) Storage(ctx context.Context) (berth.Storage, error) {
	out, err := s.volumes().Storage()
	if err != nil {
		return out, err
	}
	left, err := s.volumes().Left()
	if err != nil {
		return out, err
	}
	out.Problem = s.daemon.moves.Problem()
	return out, s.daemon.store.View(ctx, func(tx *sqlite.Tx) error {
		for _, id := range left {
			d, err := tx.DeploymentByID(berth.Everything(), id)
			if berth.CodeOf(err) == berth.ENotFound {
				continue // nobody's: it will be swept up
			}
			if err != nil {
				return err
			}
			out.Left = append(out.Left, d.Slug)
		}
		return nil
	})
}

// Migrate chooses another kind of store and has the loop move what there is.
func (s storage) Migrate(ctx context.Context, to berth.StorageKind) (berth.StorageKind, error) {
	to, err := s.volumes().Migrate(ctx, to)
	if err == nil {
		s.daemon.loops.migration.Hint("")
	}
	return to, err
}

// Delete deletes one volume while nothing prepares or moves its deployment. allowed is asked in that time.
func (s storage) Delete(ctx context.Context, v berth.Volume, allowed func(context.Context) error) error {
	unlock, err := s.daemon.loops.locks.Lock(ctx, v.Deployment)
	if err != nil {
		return fmt.Errorf("wait for deployment: %w", err)
	}
	defer unlock()
	if err := allowed(ctx); err != nil {
		return err
	}
	return s.volumes().Reset(ctx, v)
}

func (s storage) volumes() *volume.Volumes { return s.daemon.volumes }
