package release_test

import (
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// TestBuildsThatNobodyWaitsForAreSkipped: a branch moves while its release is being built. What the newer
// commit needs as well goes on for it; the rest ends, whether it waits or runs.
func TestBuildsThatNobodyWaitsForAreSkipped(t *testing.T) {
	for name, state := range map[string]berth.BuildState{"queued": berth.BuildQueued, "running": berth.BuildRunning} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			base := []string{"diploi.yaml", head + web + api, "web/Dockerfile", from, "api/Dockerfile", from}
			b.commit("c1", base...)
			b.commit("c2", append(base, "web/x", "2")...)
			older := b.ask(prod, "c1")
			b.prepare(prod, older)
			rows := map[string]berth.Build{}
			for _, row := range b.builds(older) {
				row.State = state
				rows[row.Element] = row
				b.update(func(tx *sqlite.Tx) error { return tx.UpdateBuild(row) })
			}

			newer := b.ask(prod, "c2")
			b.prepare(prod, newer)
			if r := b.release(older); r.State != berth.ReleaseSuperseded || r.Message != "release 2 came before this one was built" {
				t.Errorf("the older release is %s: %q", r.State, r.Message)
			}
			if left := b.builds(older); len(left) != 1 || left[0].ID != rows["web"].ID || left[0].State != berth.BuildCancelled ||
				left[0].Message != "skipped: release 2 came before it ended" || left[0].EndedAt.IsZero() {
				t.Errorf("left to the older release: %+v", left)
			}
			now := map[string]berth.Build{}
			for _, row := range b.builds(newer) {
				now[row.Element] = row
			}
			if len(now) != 2 || now["api"].ID != rows["api"].ID || now["api"].State != state || now["web"].State != berth.BuildQueued || now["web"].Commit != "c2" {
				t.Errorf("the newer release has %+v", now)
			}
			b.build(newer, 8080)
			if r := b.prepare(prod, newer); r.State != berth.ReleaseStarting {
				t.Errorf("the newer release is %s: %q", r.State, r.Message)
			}
		})
	}
}

func TestANewerReleaseThatBuildsNothingSkipsWhatIsBuilt(t *testing.T) {
	good := []string{"diploi.yaml", head + web, "web/Dockerfile", from}
	for name, newer := range map[string]func(b *bench){
		"its images are there": func(b *bench) { b.prepare(prod, b.ask(prod, "c1")) },
		"it fails":             func(b *bench) { b.prepare(prod, b.ask(prod, "broken")) },
		"it was complete before": func(b *bench) {
			b.update(func(tx *sqlite.Tx) error {
				_, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: prod, State: berth.ReleaseStarting, Commit: "c1", Cause: "rollback", StartingAt: b.now})
				return err
			})
			if err := b.turn(prod); err != nil {
				b.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("c1", good...)
			b.commit("c2", append(good, "web/x", "2")...)
			b.complete(prod, "c1")
			building := b.ask(prod, "c2")
			b.prepare(prod, building)
			other := b.ask(dev, "c1") // another deployment's builds are its own
			b.prepare(dev, other)
			b.commit("broken", "diploi.yaml", "nonsense")
			newer(b)
			if rows := b.builds(building); len(rows) != 1 || rows[0].State != berth.BuildCancelled {
				t.Errorf("builds %+v", rows)
			}
			if r := b.release(building); r.State != berth.ReleaseSuperseded {
				t.Errorf("the release is %s", r.State)
			}
		})
	}
}

func TestABuildIsMovedWithinItsDeploymentAlone(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	id := b.ask(prod, "c1")
	b.prepare(prod, id)
	foreign := b.ask(dev, "c1")
	row := b.builds(id)[0]
	if err := b.store.Update(t.Context(), func(tx *sqlite.Tx) error { return tx.MoveBuild(row.ID, foreign) }); berth.CodeOf(err) != berth.ENotFound {
		t.Errorf("error %v, want not found", err)
	}
}
