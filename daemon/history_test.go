package daemon

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/garbage"
	"github.com/berth-dev/berth/sqlite"
)

// TestForgottenReleasesLeaveWhatOthersUse: api's image comes from the first release and every later one runs it.
func TestForgottenReleasesLeaveWhatOthersUse(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	update := func(fn func(tx *sqlite.Tx) error) {
		t.Helper()
		if err := store.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	p := berth.Project{ID: berth.NewID(), Name: "shop", DefaultBranch: "main"}
	d := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "main", Slug: "main-shop", Stage: "production",
		Kind: berth.KindBuild, Branch: "main", Size: berth.DefaultSize, Desire: berth.DesireRun}
	update(func(tx *sqlite.Tx) error { return errors.Join(tx.CreateProject(p), tx.CreateDeployment(d)) })
	const total = garbage.KeptReleases + 2
	var releases []berth.ID
	var failed []berth.ID
	for n := range total {
		r := berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleaseSuperseded, ServingAt: now, Elements: []berth.ReleaseElement{
			{Identifier: "web", Image: fmt.Sprintf("sha256:web%02d", n)}, {Identifier: "api", Image: "sha256:api"}}}
		if n == total-1 {
			r.State = berth.ReleaseServing
		}
		releases, failed = append(releases, r.ID), append(failed, berth.NewID())
		build := func(element, image string) berth.Build {
			return berth.Build{ID: berth.NewID(), Project: p.ID, Deployment: d.ID, Release: r.ID, Element: element, Key: image, State: berth.BuildSucceeded, Image: image}
		}
		update(func(tx *sqlite.Tx) error {
			_, err := tx.CreateRelease(r)
			web := build("web", r.Elements[0].Image)
			bad := berth.Build{ID: failed[n], Project: p.ID, Deployment: d.ID, Release: r.ID, Element: "web", State: berth.BuildFailed}
			err = errors.Join(err, tx.CreateBuild(web), tx.CreateBuild(bad))
			if n == 0 {
				err = errors.Join(err, tx.CreateBuild(build("api", "sha256:api")))
			}
			return err
		})
	}

	run := func(at time.Time) (gone []berth.ID) {
		t.Helper()
		update(func(tx *sqlite.Tx) (err error) { gone, err = forget(tx, at); return err })
		return gone
	}
	if gone := run(now); len(gone) != 0 {
		t.Errorf("forgotten while they are young: %v", gone)
	}
	later := now.Add(24 * time.Hour)
	next := berth.NewID()
	update(func(tx *sqlite.Tx) error {
		_, err := tx.CreateRelease(berth.Release{ID: next, Deployment: d.ID, State: berth.ReleaseBuilding})
		return err
	})
	if gone := run(later); len(gone) != 0 {
		t.Errorf("forgotten while a release looks for its images: %v", gone)
	}
	update(func(tx *sqlite.Tx) error {
		return tx.UpdateRelease(berth.Release{ID: next, State: berth.ReleaseFailed})
	})
	gone := run(later)
	for _, id := range failed[:2] {
		if !slices.Contains(gone, id) {
			t.Errorf("the log of the build %s stays", id)
		}
	}
	if len(gone) != 4 {
		t.Errorf("%d builds are forgotten, want two that failed and two whose image nobody runs", len(gone))
	}
	var left []berth.Release
	var images []string
	var found bool
	update(func(tx *sqlite.Tx) (err error) {
		left, err = tx.Releases(d.ID, 0)
		if err == nil {
			images, err = tx.BuiltImages()
		}
		if err == nil {
			_, found, err = tx.SucceededBuild(p.ID, "sha256:api")
		}
		return err
	})
	if n := len(left); n != garbage.KeptReleases+1 || left[n-1].ID != releases[2] || left[0].Revision != total+1 {
		t.Errorf("%d releases are left, from %d on", n, left[n-1].Revision)
	}
	slices.Sort(images)
	if !found || len(images) != garbage.KeptReleases+1 || images[0] != "sha256:api" || images[1] != "sha256:web02" {
		t.Errorf("images with a build: %v; that of api is found again: %v", images, found)
	}
	if gone := run(later); len(gone) != 0 {
		t.Errorf("forgotten in a second turn: %v", gone)
	}
}
