package release_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/keylock"
	"github.com/berth-dev/berth/reconciler"
	"github.com/berth-dev/berth/reconciler/release"
	"github.com/berth-dev/berth/sqlite"
)

func TestWhatCannotGetBetterIsFinalAndIsToldOnce(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", mine("nowhere"))
	id := b.ask(prod, "c1")
	for range 3 {
		b.wantFailed(b.prepare(prod, id), "nowhere")
	}
	told := 0
	b.view(func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), prod, 0, 0)
		for _, e := range events {
			if e.Kind == "release.failed" && strings.Contains(e.Message, "nowhere") {
				told++
			}
		}
		return err
	})
	if told != 1 {
		t.Errorf("the failure was told %d times", told)
	}
}

func TestWhatMayPassIsTriedAgainAndSaysWhy(t *testing.T) {
	errBroken := errors.New("the engine hangs")
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	whole := b.runner.run
	b.runner.run = func(engine.Task) (int, error) { return 0, errBroken }
	id := b.ask(dev, "c1")
	if err := b.turn(dev); !errors.Is(err, errBroken) {
		t.Errorf("the loop hears %v", err)
	}
	if r := b.release(id); r.State != berth.ReleaseBuilding || !strings.Contains(r.Message, "keeps trying") || strings.Contains(r.Message, "hangs") {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
	b.runner.run = whole
	if r := b.prepare(dev, id); r.State != berth.ReleaseBuilding || r.Message != "" {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
}

func TestOnlyTheNewestReleaseIsPrepared(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	building := b.ask(prod, "c1")
	b.prepare(prod, building)
	pending := b.ask(prod, "c1")
	newest := b.ask(prod, "c1")
	b.prepare(prod, newest)
	for _, id := range []berth.ID{building, pending} {
		if r := b.release(id); r.State != berth.ReleaseSuperseded {
			t.Errorf("release %d is %s", r.Revision, r.State)
		}
	}
	if r := b.release(newest); r.State != berth.ReleaseBuilding {
		t.Errorf("the newest is %s: %q", r.State, r.Message)
	}
}

// A release that is starting is the best there is until the next one can start, and no longer.
func TestAStartingReleaseIsSupersededByOneThatStarts(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.commit("c2", "diploi.yaml", head+web, "web/Dockerfile", from)
	older := b.complete(prod, "c1").ID
	newer := b.ask(prod, "c2")
	b.prepare(prod, newer)
	if r := b.release(older); r.State != berth.ReleaseStarting {
		t.Errorf("while the next one is built, it is %s", r.State)
	}
	b.build(newer, 8080)
	b.prepare(prod, newer)
	b.prepare(prod, newer)
	if r := b.release(older); r.State != berth.ReleaseSuperseded {
		t.Errorf("behind one that starts, it is %s", r.State)
	}
}

func TestADeploymentThatIsToGoIsPreparedNoMore(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	id := b.ask(dev, "c1")
	if b.loop.Interrupt(t.Context(), dev) {
		t.Error("a turn for a deployment that shall run would be ended")
	}
	// The clone goes first, so that it is the one that hears of it.
	b.config.Beside = func(work func() error) func() error { err := work(); return func() error { return err } }
	b.loop = release.New(b.config)
	ctx, end := context.WithCancelCause(t.Context())
	b.runner.run = func(engine.Task) (int, error) {
		b.update(func(tx *sqlite.Tx) error {
			d := deployment(dev, "dev", berth.KindDevelopment)
			d.Desire = berth.DesireDelete
			return tx.UpdateDeployment(d)
		})
		if b.loop.Interrupt(t.Context(), dev) {
			end(reconciler.ErrInterrupted)
		}
		return 0, context.Cause(ctx)
	}
	if _, err := b.loop.Turn(ctx, dev); !errors.Is(err, reconciler.ErrInterrupted) {
		t.Errorf("the turn ended with %v", err)
	}
	tasks := len(b.runner.tasks)
	if r := b.prepare(dev, id); r.State != berth.ReleasePending || r.Message != "" || len(b.runner.tasks) != tasks {
		t.Errorf("the release is %s %q, after %d tasks", r.State, r.Message, len(b.runner.tasks))
	}
	b.update(func(tx *sqlite.Tx) error { return tx.DeleteDeployment(dev) })
	if !b.loop.Interrupt(t.Context(), dev) || b.turn(dev) != nil {
		t.Error("a deployment that is gone")
	}
}

func TestPreparingWaitsForItsLock(t *testing.T) {
	b := newBench(t)
	locks := &keylock.Locks[berth.ID]{}
	b.loop.Lock = locks.Lock
	unlock, err := locks.Lock(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.loop.Turn(ctx, prod); !errors.Is(err, context.Canceled) {
		t.Errorf("the turn did not wait: %v", err)
	}
}

// A push never restarts an unchanged database: its objects are the same, generated secrets included.
func TestAnUnchangedElementStaysAsItWas(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web+db, "web/Dockerfile", from)
	b.commit("c2", "diploi.yaml", head+web+db, "web/Dockerfile", from+"# changed\n")
	before, after := b.complete(prod, "c1"), b.complete(prod, "c2")
	if string(element(before, "db").Objects) != string(element(after, "db").Objects) {
		t.Errorf("before %s\nafter %s", element(before, "db").Objects, element(after, "db").Objects)
	}
	if string(element(before, "web").Objects) == string(element(after, "web").Objects) {
		t.Error("the web element did not change")
	}
}

func TestNoSecretIsShownOrRenderedInPlain(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web+db, "web/Dockerfile", from)
	e := element(b.complete(prod, "c1"), "db")
	secrets := 0
	for _, p := range e.Parameters {
		if p.Secret {
			secrets++
		}
		if token := strings.Contains(p.Value, "BERTHSECRET-"); token != p.Secret || p.Name == "POSTGRES_PASSWORD" && !strings.HasPrefix(p.Value, "BERTHSECRET-") {
			t.Errorf("%s is kept as %q", p.Name, p.Value)
		}
	}
	if secrets < 2 || !strings.Contains(string(e.Objects), "BERTHSECRET-") {
		t.Errorf("%d secret parameters; objects %s", secrets, e.Objects)
	}
}
