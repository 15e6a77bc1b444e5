package daemon

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/builds"
	"github.com/berth-dev/berth/sqlite"
)

func TestOnlyOwnImagesThatNobodyWantsAreSwept(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p := berth.Project{ID: berth.NewID(), Name: "shop", DefaultBranch: "main"}
	d := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "main", Slug: "main-shop", Stage: "production",
		Kind: berth.KindBuild, Branch: "main", Size: berth.DefaultSize, Desire: berth.DesireRun}
	done, running := berth.NewID(), berth.NewID()
	var got []string
	err = store.Update(t.Context(), func(tx *sqlite.Tx) error {
		if err := errors.Join(tx.CreateProject(p), tx.CreateDeployment(d)); err != nil {
			return err
		}
		// The image of this release was made by a build of a deployment that has gone.
		_, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleaseServing,
			Elements: []berth.ReleaseElement{{Identifier: "web", Image: "sha256:released"}}})
		return errors.Join(err,
			tx.CreateBuild(berth.Build{ID: done, Project: p.ID, Deployment: d.ID, State: berth.BuildSucceeded, Image: "sha256:built"}),
			tx.CreateBuild(berth.Build{ID: running, Project: p.ID, Deployment: d.ID, State: berth.BuildRunning}))
	})
	if err != nil {
		t.Fatal(err)
	}
	gone := builds.Tag(p.ID, berth.NewID())
	err = store.View(t.Context(), func(tx *sqlite.Tx) (err error) {
		got, err = abandoned(tx, map[string][]string{
			"sha256:built":    {builds.Tag(p.ID, done)},
			"sha256:fresh":    {builds.Tag(p.ID, running)},
			"sha256:released": {builds.Tag(p.ID, berth.NewID())},
			"sha256:old":      {gone, "backup:1"},
			"sha256:theirs":   {"theirs:latest"},
			"sha256:nameless": nil,
		})
		return err
	})
	if err != nil || !slices.Equal(got, []string{gone}) {
		t.Errorf("swept %v, want %v: %v", got, gone, err)
	}
}
