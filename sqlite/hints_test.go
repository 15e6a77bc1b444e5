package sqlite

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

func next(t testing.TB, ids <-chan berth.ID) berth.ID {
	t.Helper()
	select {
	case id, ok := <-ids:
		if !ok {
			t.Fatal("the subscription ended")
		}
		return id
	case <-time.After(10 * time.Second):
		t.Fatal("no hint came")
	}
	return ""
}

func TestHintComesAfterTheCommit(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	ids := s.Subscribe(t.Context())
	for want := range 50 {
		go func() {
			_ = s.Update(context.Background(), func(tx *Tx) error {
				return tx.PutObserved(d.ID, berth.Observed{Step: strconv.Itoa(want)})
			})
		}()
		if id := next(t, ids); id != d.ID {
			t.Fatalf("hint %q", id)
		}
		o := get(t, s, func(tx *Tx) (berth.Observed, error) { return tx.Observed(d.ID) })
		if o.Step != strconv.Itoa(want) {
			t.Fatalf("after the hint of %d the store has %q", want, o.Step)
		}
	}
}

func TestNoHintOfWhatDidNotHappenOrChange(t *testing.T) {
	s := open(t)
	p, d, ada := world(t, s)
	ids := s.Subscribe(t.Context())
	_ = s.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.PutObserved(d.ID, berth.Observed{Step: "x"}), errors.New("roll back"))
	})
	update(t, s, func(tx *Tx) error {
		return tx.PutObserved(d.ID, berth.Observed{At: noon.Add(time.Second), Step: "cloning main"})
	})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutMeta("a", "b"), tx.TouchToken("none"), tx.CreateLoginLink([]byte("h"), ada.ID, ada.ID, noon))
	})
	update(t, s, func(tx *Tx) error { return tx.UpdateProject(p) })
	if id := next(t, ids); id != "" {
		t.Errorf("first hint is %q, want the project's", id)
	}
}

func TestSlowSubscriberHoldsNobodyUpAndMissesNoDeployment(t *testing.T) {
	s := open(t)
	p, _, _ := world(t, s)
	ids := s.Subscribe(t.Context())
	waiting := map[berth.ID]bool{}
	for i := range 100 {
		d := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "d" + strconv.Itoa(i), Slug: "d" + strconv.Itoa(i)}
		update(t, s, func(tx *Tx) error { return tx.CreateDeployment(d) })
		update(t, s, func(tx *Tx) error { return tx.UpdateDeployment(d) })
		waiting[d.ID] = true
	}
	received := 0
	for ; len(waiting) > 0; received++ {
		delete(waiting, next(t, ids))
	}
	if received > 110 {
		t.Errorf("200 changes of 100 deployments came as %d hints", received)
	}
}

func TestSubscriptionEndsWithItsContextAndTheStore(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	left, stays := s.Subscribe(ctx), s.Subscribe(t.Context())
	cancel()
	for range left { //nolint:revive // until closed
	}
	update(t, s, func(tx *Tx) error { return tx.UpdateDeployment(d) }) // the left one is no hindrance
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range stays { //nolint:revive // until closed
	}
	if _, open := <-s.Subscribe(t.Context()); open {
		t.Error("a closed store has news")
	}
}

func TestWritersAndReadersAtOnce(t *testing.T) {
	s := open(t)
	_, d, _ := world(t, s)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 25 {
				if err := s.Update(t.Context(), func(tx *Tx) error {
					d, err := tx.DeploymentByID(berth.Everything(), d.ID)
					if err != nil {
						return err
					}
					d.Restarts["web"]++
					return tx.UpdateDeployment(d)
				}); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for range 25 {
				if err := s.View(t.Context(), func(tx *Tx) error {
					_, err := tx.ObservedAll(berth.Everything())
					_, err2 := tx.Deployments(berth.Everything(), "")
					return errors.Join(err, err2)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got := get(t, s, func(tx *Tx) (berth.Deployment, error) { return tx.DeploymentByID(berth.Everything(), d.ID) })
	if got.Restarts["web"] != 2+100 {
		t.Errorf("%d restarts were counted, want 102", got.Restarts["web"])
	}
}

// TestEventsProperty: whatever is written and rolled back, by whom, sequence numbers grow, a reader
// that follows by After sees each event once and in order, and a limit keeps the newest.
func TestEventsProperty(t *testing.T) {
	s := open(t) // for all checks: each goes on after the last one's events
	start := int64(0)
	rapid.Check(t, func(r *rapid.T) {
		var written, followed []string
		after := start
		for i := range rapid.IntRange(1, 20).Draw(r, "steps") {
			count := rapid.IntRange(0, 3).Draw(r, "count")
			keep := rapid.Bool().Draw(r, "keep")
			var batch []string
			_ = s.Update(t.Context(), func(tx *Tx) error {
				for j := range count {
					batch = append(batch, strconv.Itoa(i)+"."+strconv.Itoa(j))
					if err := tx.AppendEvent(berth.Event{Kind: batch[j]}); err != nil {
						return err
					}
				}
				if !keep {
					return errors.New("roll back")
				}
				return nil
			})
			if keep {
				written = append(written, batch...)
			}
			if rapid.Bool().Draw(r, "look") {
				for _, e := range get(t, s, func(tx *Tx) ([]berth.Event, error) { return tx.Events(berth.Everything(), "", after, 0) }) {
					if e.Seq <= after {
						r.Fatalf("sequence %d came after %d", e.Seq, after)
					}
					after = e.Seq
					followed = append(followed, e.Kind)
				}
			}
		}
		limit := rapid.IntRange(1, 60).Draw(r, "limit")
		newest := get(t, s, func(tx *Tx) ([]berth.Event, error) { return tx.Events(berth.Everything(), "", start, limit) })
		for i, e := range newest {
			if want := written[len(written)-len(newest)+i]; e.Kind != want {
				r.Fatalf("event %d of the newest is %s, want %s", i, e.Kind, want)
			}
		}
		if want := min(limit, len(written)); len(newest) != want {
			r.Fatalf("%d events came, want %d", len(newest), want)
		}
		for i, kind := range followed {
			if kind != written[i] {
				r.Fatalf("follower saw %v of %v", followed, written)
			}
		}
		for _, e := range get(t, s, func(tx *Tx) ([]berth.Event, error) { return tx.Events(berth.Everything(), "", start, 0) }) {
			start = e.Seq
		}
	})
}
