package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func (s *fakeService) Storage(context.Context) (berth.Storage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := berth.Storage{Kind: berth.StorageXFS, Path: "/var/lib/berth/volumes", Pool: "/var/lib/berth/volumes.xfs", TotalBytes: 50 << 30,
		FreeBytes: 40 << 30, Why: "it copies 16 MiB in 20 ms", WritePrice: 1.4, CloneSeconds: 0.02, CloneBytes: 16 << 20, MeasuredAt: noon, Left: s.left}
	if len(s.left) > 0 {
		s.left = s.left[1:]
	}
	return out, nil
}

func (s *fakeService) BuildCache(context.Context) (berth.BuildCache, error) {
	return berth.BuildCache{UsedBytes: 3 << 30, BudgetBytes: 20 << 30}, nil
}

func (s *fakeService) MigrateStorage(ctx context.Context, to berth.StorageKind) (berth.Storage, error) {
	s.migrated = append(s.migrated, to)
	return s.Storage(ctx)
}

func (s *fakeService) DeleteVolume(_ context.Context, ref, volume string) error {
	s.deleted = append(s.deleted, ref+" "+volume)
	return s.failing
}

func TestVolumes(t *testing.T) {
	c := newCLI(t)
	c.golden(t, "volume-ls", "volume", "ls", "web")
	c.golden(t, "volume-store", "volume", "store")
	c.golden(t, "volume-store-json", "volume", "store", "--json")
}

func TestVolumeMigrateWaitsUntilAllHaveMoved(t *testing.T) {
	c := newCLI(t)
	c.service.left = []string{"a-shop", "b-shop"}
	if code := c.do(t, "volume", "migrate", "--to", "xfs"); code != 0 {
		t.Fatal(c.err)
	}
	if !slices.Equal(c.service.migrated, []berth.StorageKind{"xfs"}) || !strings.HasSuffix(c.out.String(), "a-shop has moved.\nb-shop has moved.\n") {
		t.Errorf("asked for %v: %s", c.service.migrated, c.out)
	}
}

func TestAVolumeIsDeletedByItsName(t *testing.T) {
	for _, x := range []struct {
		typed   string
		args    []string
		code    int
		deleted []string
	}{
		{"", []string{"--yes"}, 0, []string{"web-shop old/data"}},
		{"old/data\n", nil, 0, []string{"web-shop old/data"}},
		{"web-shop\n", nil, exitFailed, nil},
	} {
		c := newCLI(t)
		c.in, c.terminal.in = strings.NewReader(x.typed), true
		code := c.do(t, append([]string{"volume", "rm", "web", "old/data"}, x.args...)...)
		if code != x.code || !slices.Equal(c.service.deleted, x.deleted) {
			t.Errorf("%v, typed %q: exit %d, deleted %v", x.args, x.typed, code, c.service.deleted)
		}
	}
	if c := newCLI(t); c.do(t, "volume", "rm", "web", "old/data") == 0 || c.service.deleted != nil {
		t.Error("a script deleted without --yes")
	}
}
