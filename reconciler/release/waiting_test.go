package release

import (
	"context"
	"errors"
	"testing"

	"github.com/berth-dev/berth"
)

// counting is a store of one release's builds that counts what is written.
type counting struct {
	Tx
	builds  []berth.Build
	release berth.Release
	writes  int
}

func (c *counting) View(_ context.Context, fn func(Tx) error) error { return fn(c) }
func (c *counting) QueuedBuilds() ([]berth.Build, error)            { return nil, nil }
func (c *counting) RunningBuilds() ([]berth.Build, error)           { return nil, nil }

func (c *counting) Update(_ context.Context, fn func(Tx) error) error { return fn(c) }

func (c *counting) BuildsOfRelease(berth.ID) ([]berth.Build, error) { return c.builds, nil }

func (c *counting) CreateBuild(b berth.Build) error {
	c.builds = append(c.builds, b)
	c.writes++
	return nil
}

func (c *counting) UpdateRelease(r berth.Release) error {
	c.release = r
	c.writes++
	return nil
}

// Every write of a release hints at the loop that made it: a turn that finds its builds still running
// must write nothing, or it would take turns without a pause until they end.
func TestWaitingForBuildsWritesNothing(t *testing.T) {
	store := &counting{}
	l := New(Config{Store: store})
	wanted := []berth.Build{{ID: "one", Element: "web", Key: "k", State: berth.BuildQueued}}
	turn := func() error {
		j := &job{release: store.release}
		if _, err := newSteps(t.Context(), l, j).Write([]byte("using this in place of that\n")); err != nil {
			return err
		}
		return l.awaitBuilds(t.Context(), j, wanted, "")
	}
	if err := turn(); !errors.Is(err, errWaiting) {
		t.Fatalf("first turn: %v, want errWaiting", err)
	}
	if store.release.State != berth.ReleaseBuilding || store.release.Step != "building web" || len(store.builds) != 1 {
		t.Fatalf("after the first turn: %+v with %d builds", store.release, len(store.builds))
	}
	before := store.writes
	for range 3 {
		if err := turn(); !errors.Is(err, errWaiting) {
			t.Fatalf("next turn: %v, want errWaiting", err)
		}
	}
	if store.writes != before {
		t.Errorf("%d writes while nothing changed", store.writes-before)
	}

	wanted = append(wanted, berth.Build{ID: "two", Element: "api", Key: "k2", State: berth.BuildQueued})
	if err := turn(); !errors.Is(err, errWaiting) || store.release.Step != "building web, api" {
		t.Errorf("with another build: %v, step %q", err, store.release.Step)
	}
}
