package control_test

import (
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/google/go-cmp/cmp"
)

// serve makes a release of a commit that has served, and supersedes what served before.
func (w *world) serve(t *testing.T, d berth.Deployment, commit, objects string) {
	t.Helper()
	w.update(t, func(tx *sqlite.Tx) error {
		older, err := tx.Releases(d.ID, 0)
		if err != nil {
			return err
		}
		for _, r := range older {
			if r.State == berth.ReleaseServing {
				r.State = berth.ReleaseSuperseded
				if err := tx.UpdateRelease(r); err != nil {
					return err
				}
			}
		}
		_, err = tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleaseServing, Commit: commit, Cause: "deploy",
			StartingAt: tx.Now(), ServingAt: tx.Now(), Elements: []berth.ReleaseElement{{Identifier: "web", Kind: berth.KindComponent, Objects: []byte(objects),
				Volumes: []berth.Volume{{Deployment: d.ID, Element: "web", Identifier: "data"}}}}})
		return err
	})
}

func TestRollbackRunsExactlyWhatServed(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	if _, err := w.owner.Rollback(t.Context(), "web", 0); berth.CodeOf(err) != berth.EConflict {
		t.Errorf("there is nothing to go back to: %v", err)
	}
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.PutVolume(berth.Volume{Deployment: d.ID, Element: "web", Identifier: "data"})
	})
	w.serve(t, d, one, "old\n")
	w.serve(t, d, two, "new\n")
	for revision, code := range map[int]berth.Code{1: berth.EConflict, 3: berth.EConflict, 9: berth.ENotFound} { // never served, serves, absent
		if _, err := w.owner.Rollback(t.Context(), "web", revision); berth.CodeOf(err) != code {
			t.Errorf("release %d: %v", revision, err)
		}
	}
	r, err := w.owner.Rollback(t.Context(), "web", 0)
	if err != nil || r.Commit != one || r.Cause != "rollback" || r.State != berth.ReleaseStarting || !r.Complete() {
		t.Fatalf("%+v, %v", r, err)
	}
	var got, want berth.Release
	w.update(t, func(tx *sqlite.Tx) error {
		heads, err := tx.Releases(d.ID, 0)
		if err != nil {
			return err
		}
		if got, err = tx.Release(r.ID); err != nil {
			return err
		}
		want, err = tx.Release(heads[2].ID)
		return err
	})
	if diff := cmp.Diff(want.Elements, got.Elements); diff != "" {
		t.Errorf("it does not run what release 2 ran:\n%s", diff)
	}
	w.update(t, func(tx *sqlite.Tx) error { return tx.DeleteVolume(d.ID, "web", "data") })
	if _, err := w.owner.Rollback(t.Context(), "web", 2); berth.CodeOf(err) != berth.EConflict {
		t.Errorf("its data is gone: %v", err)
	}
}

func TestPromoteTakesWhatAnotherServes(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	w.project(t, "other")
	staging := w.deployment(t, "shop", "staging", "staging")
	w.deployment(t, "shop", "live", "production")
	w.deployment(t, "shop", "dev", "development")
	w.deployment(t, "other", "foreign", "production")
	if _, err := w.owner.Promote(t.Context(), "staging", "live"); berth.CodeOf(err) != berth.EConflict {
		t.Errorf("it serves nothing yet: %v", err)
	}
	w.serve(t, staging, two, "staged\n")
	for _, pair := range [][2]string{{"staging", "dev"}, {"dev", "live"}, {"staging", "foreign"}, {"staging", "staging"}} {
		if _, err := w.owner.Promote(t.Context(), pair[0], pair[1]); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%s to %s: %v", pair[0], pair[1], err)
		}
	}
	r, err := w.owner.Promote(t.Context(), "staging", "live")
	if err != nil || r.Commit != two || r.Cause != "promote" || r.State != berth.ReleasePending {
		t.Errorf("%+v, %v", r, err)
	}
}
