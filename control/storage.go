package control

import (
	"context"
	"strings"

	"github.com/berth-dev/berth"
)

// Storage says what volumes are kept in.
func (s *Service) Storage(ctx context.Context) (out berth.Storage, err error) {
	if err := s.mayServer(ctx, StorageRead); err != nil {
		return out, err
	}
	return s.control.Volumes.Storage(ctx)
}

// MigrateStorage keeps volumes in another kind of store from now on.
func (s *Service) MigrateStorage(ctx context.Context, to berth.StorageKind) (out berth.Storage, err error) {
	if err := s.mayServer(ctx, StorageChange); err != nil {
		return out, err
	}
	if to != "" {
		if to, err = berth.ParseStorageKind(string(to)); err != nil {
			return out, err
		}
	}
	if to, err = s.control.Volumes.Migrate(ctx, to); err != nil {
		return out, err
	}
	err = s.update(ctx, func(tx Tx) error {
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "volumes.moving", Message: "volumes are being moved to a store of " + string(to)})
	})
	if err != nil {
		return out, err
	}
	return s.control.Volumes.Storage(ctx)
}

func (s *Service) mayServer(ctx context.Context, verb Verb) error {
	return s.view(ctx, func(tx Tx) error { return authorise(tx, s.caller, verb, "") })
}

// DeleteVolume deletes the data of a volume that nothing uses any more, and forgets it.
func (s *Service) DeleteVolume(ctx context.Context, ref, volume string) error {
	var d berth.Deployment
	var v berth.Volume
	find := func(ctx context.Context) error {
		return s.view(ctx, func(tx Tx) (err error) {
			if d, err = s.changeable(tx, VolumeDelete, ref); err != nil {
				return err
			}
			v, err = unusedVolume(tx, d, volume)
			return err
		})
	}
	if err := find(ctx); err != nil {
		return err
	}
	if err := s.control.Volumes.Delete(ctx, v, find); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		if err := tx.DeleteVolume(d.ID, v.Element, v.Identifier); err != nil {
			return err
		}
		return s.event(tx, d, v.Element, "volume.deleted", "the volume "+nameOf(v)+" was deleted with its data")
	})
}

// nameOf is a volume as people write it.
func nameOf(v berth.Volume) string { return v.Element + "/" + v.Identifier }

// unusedVolume finds a volume that no element has and no instance uses.
func unusedVolume(tx Tx, d berth.Deployment, name string) (berth.Volume, error) {
	volumes, err := tx.Volumes(d.ID)
	if err != nil {
		return berth.Volume{}, err
	}
	var names []string
	for _, v := range volumes {
		if nameOf(v) == name {
			return v, unused(tx, d, v)
		}
		names = append(names, strings.TrimPrefix(nameOf(v), "/"))
	}
	return berth.Volume{}, berth.Errorf(berth.ENotFound, "%s has no volume %s; it has %s", d.Slug, name, listed(names))
}

func unused(tx Tx, d berth.Deployment, v berth.Volume) error {
	if !v.Detached {
		return berth.Errorf(berth.EConflict, "the volume %s is in use by %s: only one whose element is gone can be deleted alone", nameOf(v), d.Slug)
	}
	seen, err := tx.Observed(d.ID)
	if err != nil {
		return err
	}
	for _, i := range seen.Instances {
		if i.Element == v.Element && i.State != berth.InstanceExited {
			return berth.Errorf(berth.EConflict, "an instance of %s still runs and may use the volume: try again when it has ended", v.Element)
		}
	}
	return nil
}
