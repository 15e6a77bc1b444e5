package migration

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// world is a machine whose deployments stop when they are told.
type world struct {
	left    []berth.ID
	fails   map[berth.ID]error
	running map[berth.ID]bool
	did     []string
	loop    *Loop
	now     time.Time
}

func (w *world) Left() ([]berth.ID, error) { return slices.Clone(w.left), nil }

func (w *world) Move(_ context.Context, id berth.ID) error {
	if w.running[id] {
		w.did = append(w.did, "move while running")
	}
	if err := w.fails[id]; err != nil {
		return err
	}
	w.did = append(w.did, "move "+string(id))
	w.left = slices.DeleteFunc(w.left, func(other berth.ID) bool { return other == id })
	return nil
}

func (w *world) Retire(context.Context) error { w.did = append(w.did, "retire"); return nil }
func (w *world) Sweep(context.Context) error  { w.did = append(w.did, "sweep"); return nil }

func (w *world) Update(_ context.Context, fn func(Tx) error) error { return fn(w) }

func (w *world) DeploymentByID(_ berth.Scope, id berth.ID) (berth.Deployment, error) {
	return berth.Deployment{ID: id, Slug: string(id) + "-shop"}, nil
}

func (w *world) AppendEvent(e berth.Event) error {
	w.did = append(w.did, "told of "+e.Slug)
	return nil
}

// changed is what the loop that runs deployments does when it is hinted.
func (w *world) changed(id berth.ID) { w.running[id] = w.loop.Moving(id) == "" }

func newWorld(left ...berth.ID) *world {
	w := &world{left: left, fails: map[berth.ID]error{}, running: map[berth.ID]bool{}}
	for _, id := range left {
		w.running[id] = true
	}
	w.loop = New(Config{
		Store: w, Volumes: w, Changed: w.changed, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Quiet: func(_ context.Context, id berth.ID) (bool, error) { return !w.running[id], nil },
		Lock: func(_ context.Context, id berth.ID) (func(), error) {
			w.did = append(w.did, "lock "+string(id))
			return func() { w.did = append(w.did, "unlock "+string(id)) }, nil
		},
	})
	return w
}

func (w *world) turn(t *testing.T) (time.Duration, error) {
	t.Helper()
	return w.loop.Turn(t.Context(), Everything)
}

func TestDeploymentsMoveOneByOneAndStandStillOnlyMeanwhile(t *testing.T) {
	w := newWorld("a", "b")
	for again := time.Duration(1); again > 0; {
		var err error
		if again, err = w.turn(t); err != nil {
			t.Fatal(err)
		}
		for id, running := range w.running {
			if !running {
				t.Errorf("%s stands still after its turn", id)
			}
		}
	}
	want := []string{"sweep", "lock a", "move a", "told of a-shop", "unlock a", "lock b", "move b", "told of b-shop", "unlock b", "retire"}
	if !slices.Equal(w.did, want) {
		t.Errorf("did %q, want %q", w.did, want)
	}
}

func TestOneThatCannotMoveIsNamedRunsOnAndKeepsNobodyBack(t *testing.T) {
	w := newWorld("a", "b")
	w.fails["a"] = berth.Errorf(berth.EUnavailable, "the disk is full")
	if _, err := w.turn(t); err == nil || w.loop.Problem() != "the disk is full" || !w.running["a"] {
		t.Errorf("%v, problem %q, running %v", err, w.loop.Problem(), w.running)
	}
	if _, err := w.turn(t); err != nil || !slices.Contains(w.did, "move b") {
		t.Errorf("%v after %q", err, w.did)
	}
	delete(w.fails, "a")
	if again, err := w.turn(t); err != nil || again != rest || slices.Contains(w.did, "move a") {
		t.Errorf("it has to stop again at once: %v, %v after %q", again, err, w.did)
	}
	w.now = w.now.Add(rest)
	for range 2 {
		if _, err := w.turn(t); err != nil {
			t.Fatal(err)
		}
	}
	if w.loop.Problem() != "" || len(w.left) > 0 {
		t.Errorf("problem %q, left %v", w.loop.Problem(), w.left)
	}
}

func TestWhatDoesNotStopIsNotMoved(t *testing.T) {
	w := newWorld("a")
	w.loop.Changed = func(berth.ID) {} // nobody listens, so it runs on
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := w.loop.Turn(ctx, Everything); !errors.Is(err, context.DeadlineExceeded) || slices.Contains(w.did, "move a") {
		t.Errorf("%v, did %q", err, w.did)
	}
	if w.loop.Moving("a") != "" {
		t.Error("it stands still for ever")
	}
}
