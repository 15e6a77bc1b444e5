package garbage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/garbage"
)

func TestWhichReleasesAreForgotten(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	old := now.Add(-48 * time.Hour)
	// history is newest first, its ids count from 1 for the oldest.
	history := func(n int, of func(revision int) berth.Release) (all []berth.Release) {
		for revision := n; revision >= 1; revision-- {
			r := of(revision)
			r.ID = berth.ID(fmt.Sprint(revision))
			if r.CreatedAt.IsZero() {
				r.CreatedAt = old
			}
			all = append(all, r)
		}
		return all
	}
	served := func(int) berth.Release { return berth.Release{State: berth.ReleaseSuperseded, ServingAt: old} }
	for name, c := range map[string]struct {
		releases []berth.Release
		want     []berth.ID
	}{
		"few":  {history(20, served), nil},
		"many": {history(23, served), []berth.ID{"3", "2", "1"}},
		"young ones": {history(23, func(int) berth.Release {
			return berth.Release{State: berth.ReleaseSuperseded, ServingAt: now, CreatedAt: now.Add(-time.Minute)}
		}), nil},
		"one that serves and newer ones that failed": {history(30, func(revision int) berth.Release {
			if revision == 2 {
				return berth.Release{State: berth.ReleaseServing, ServingAt: old}
			}
			return berth.Release{State: berth.ReleaseFailed}
		}), []berth.ID{"10", "9", "8", "7", "6", "5", "4", "3", "1"}},
		"those that served before failures": {history(42, func(revision int) berth.Release {
			if revision <= 21 {
				return berth.Release{State: berth.ReleaseSuperseded, ServingAt: old}
			}
			return berth.Release{State: berth.ReleaseFailed}
		}), []berth.ID{"22", "1"}},
		"what may yet serve": {history(25, func(revision int) berth.Release {
			if revision == 1 {
				return berth.Release{State: berth.ReleaseStarting}
			}
			return berth.Release{State: berth.ReleaseSuperseded, ServingAt: old}
		}), []berth.ID{"5", "4", "3", "2"}},
	} {
		if got := garbage.Expired(c.releases, now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
