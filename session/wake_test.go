package session

import (
	"context"
	"io"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/sqlite"
)

func TestACommandWakesADeployment(t *testing.T) {
	s, store, d := newSessions(t, execer(func(_ context.Context, x engine.ExecSpec) (int, error) {
		_, err := io.WriteString(x.Stdout, x.Instance)
		return 0, err
	}))
	d.Desire = berth.DesireSleep
	running := must(t, store, d.ID)
	observe(t, store, d.ID, berth.Observed{Elements: running.Elements})
	s.Access = access{d}
	woken := make(chan string, 1)
	s.Wake = func(_ context.Context, id berth.ID, why string) error {
		woken <- string(id) + ": " + why
		go observe(t, store, d.ID, running) // the reconciler's part
		return nil
	}
	var out writer
	if _, err := s.As(berth.Caller{Person: "p", Name: "worker"}).Exec(t.Context(), "web-shop", berth.Exec{Command: []string{"true"}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-woken, string(d.ID)+": worker works in it"; got != want {
		t.Errorf("woken by %q, want %q", got, want)
	}
	if string(out) != "i" {
		t.Errorf("it ran in %q", out)
	}
}

type writer []byte

func (w *writer) Write(b []byte) (int, error) { *w = append(*w, b...); return len(b), nil }

func must(t *testing.T, store *sqlite.Store, id berth.ID) (seen berth.Observed) {
	t.Helper()
	if err := store.View(t.Context(), func(tx *sqlite.Tx) (err error) { seen, err = tx.Observed(id); return err }); err != nil {
		t.Fatal(err)
	}
	return seen
}

func observe(t *testing.T, store *sqlite.Store, id berth.ID, seen berth.Observed) {
	if err := store.Update(context.Background(), func(tx *sqlite.Tx) error { return tx.PutObserved(id, seen) }); err != nil {
		t.Error(err)
	}
}
