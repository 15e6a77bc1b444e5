package api_test

import (
	"context"
	"sync"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// oneStore is a volume store that forgets everything but its kind.
type oneStore struct {
	mu      sync.Mutex
	kind    berth.StorageKind
	deleted []berth.Volume
}

func (o *oneStore) Storage(context.Context) (berth.Storage, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return berth.Storage{Kind: o.kind, Path: "/volumes", TotalBytes: 100, FreeBytes: 40, Why: "it was asked for"}, nil
}

func (o *oneStore) Migrate(_ context.Context, to berth.StorageKind) (berth.StorageKind, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if to == "" {
		to = berth.StorageXFS
	}
	o.kind = to
	return to, nil
}

func (o *oneStore) Delete(ctx context.Context, v berth.Volume, allowed func(context.Context) error) error {
	if err := allowed(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deleted = append(o.deleted, v)
	return nil
}

func contractStorage(t *testing.T, s *server, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	want := berth.Storage{Kind: berth.StorageDirectories, Path: "/volumes", TotalBytes: 100, FreeBytes: 40, Why: "it was asked for"}
	got, err := b.Storage(ctx)
	mustBe(t, err, want, got)
	cache, err := b.BuildCache(ctx)
	mustBe(t, err, berth.BuildCache{UsedBytes: 3 << 30, BudgetBytes: 20 << 30}, cache)
	for to, kind := range map[berth.StorageKind]berth.StorageKind{berth.StorageBtrfs: berth.StorageBtrfs, "": berth.StorageXFS} {
		want.Kind = kind
		got, err = b.MigrateStorage(ctx, to)
		mustBe(t, err, want, got)
	}
	_, err = b.MigrateStorage(ctx, "zfs")
	mustFail(t, err, berth.EInvalid, `there is no volume store "zfs": choose directories, btrfs or xfs`)

	update := func(fn func(tx *sqlite.Tx) error) {
		t.Helper()
		if err := s.store.Update(ctx, fn); err != nil {
			t.Fatal(err)
		}
	}
	used := berth.Volume{Deployment: d.ID, Element: "db", Identifier: "data"}
	update(func(tx *sqlite.Tx) error { return tx.PutVolume(used) })
	mustFail(t, b.DeleteVolume(ctx, d.Slug, "db/other"), berth.ENotFound, "web-shop has no volume db/other; it has db/data")
	mustFail(t, b.DeleteVolume(ctx, d.Slug, "db/data"), berth.EConflict,
		"the volume db/data is in use by web-shop: only one whose element is gone can be deleted alone")
	used.Detached = true
	running := berth.InstanceStatus{ID: "i", Element: "db", State: berth.InstanceRunning}
	update(func(tx *sqlite.Tx) error {
		if err := tx.PutObserved(d.ID, berth.Observed{Instances: []berth.InstanceStatus{running}}); err != nil {
			return err
		}
		return tx.PutVolume(used)
	})
	mustFail(t, b.DeleteVolume(ctx, d.Slug, "db/data"), berth.EConflict,
		"an instance of db still runs and may use the volume: try again when it has ended")
	update(func(tx *sqlite.Tx) error { return tx.PutObserved(d.ID, berth.Observed{}) })
	mustBe(t, b.DeleteVolume(ctx, d.Slug, "db/data"), "", "")
	shown, err := b.Deployment(ctx, d.Slug)
	mustBe(t, err, 0, len(shown.Volumes))
	mustFail(t, b.DeleteVolume(ctx, d.Slug, "db/data"), berth.ENotFound, "web-shop has no volume db/data; it has none")
}
