package control_test

import (
	"context"
	"errors"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

func TestADeploymentShowsHowFullItsVolumesAreAndIsShownWhenNobodyKnows(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "prod", "production")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.PutVolume(berth.Volume{Deployment: d.ID, Element: "db", Identifier: "data", SizeBytes: 9})
	})
	w.Usage = func(_ context.Context, of berth.ID) (map[string]int64, error) {
		if of != d.ID {
			t.Errorf("asked for %s", of)
		}
		return map[string]int64{"db/data": 7}, nil
	}
	shown, err := w.owner.Deployment(t.Context(), d.Slug)
	if err != nil || len(shown.Volumes) != 1 || shown.Volumes[0].UsedBytes != 7 || shown.Volumes[0].SizeBytes != 9 {
		t.Errorf("volumes %+v (%v)", shown.Volumes, err)
	}
	w.Usage = func(context.Context, berth.ID) (map[string]int64, error) { return nil, errors.New("too slow") }
	if shown, err = w.owner.Deployment(t.Context(), d.Slug); err != nil || len(shown.Volumes) != 1 {
		t.Errorf("volumes %+v (%v)", shown.Volumes, err)
	}
}

func TestNothingNewBeginsWithoutRoomOnTheDisk(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "prod", "production")
	full := berth.Errorf(berth.EUnavailable, "the disk is nearly full")
	w.Room = func() error { return full }
	_, noDeployment := w.owner.CreateDeployment(t.Context(), "shop", berth.NewDeployment{Name: "two", Stage: "production"})
	_, noProject := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "mall", GitURL: "https://git.test/mall.git"})
	_, noRelease := w.owner.Deploy(t.Context(), d.Slug, "")
	for doing, err := range map[string]error{"create": noDeployment, "project create": noProject, "deploy": noRelease} {
		if !errors.Is(err, full) {
			t.Errorf("%s: %v", doing, err)
		}
	}
	if _, err := w.owner.RenameDeployment(t.Context(), d.Slug, "old"); err != nil {
		t.Errorf("what begins nothing was refused: %v", err)
	}
}
