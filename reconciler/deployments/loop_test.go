package deployments_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/sqlite"
)

func TestAnIdleDeploymentCostsNoWrite(t *testing.T) {
	b := newBench(t)
	b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	seen := b.observed()
	if len(seen.Instances) != 1 || !seen.Instances[0].Ready {
		t.Fatalf("seen %+v", seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes := b.store.Subscribe(ctx)
	for range 3 {
		b.now = b.now.Add(time.Hour)
		if again, err := b.turn(); err != nil || again != 0 {
			t.Fatalf("again after %s, %v", again, err)
		}
	}
	if now := b.observed(); !now.At.Equal(seen.At) {
		t.Errorf("written at %s, though nothing changed since %s", now.At, seen.At)
	}
	b.update(func(tx *sqlite.Tx) error { return tx.UpdateProject(berth.Project{ID: "projectaaa", Name: "shop"}) })
	if first := <-changes; first != "" {
		t.Errorf("an idle turn touched %q", first)
	}
	cancel()
	for range changes {
		continue
	}
}

func TestAnEngineThatFailsIsToldOnceAndForgottenWhenItWorks(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"by a fault of ours": {errors.New("connection reset"), "Berth keeps trying"},
		"with a sentence":    {berth.Errorf(berth.EUnavailable, "Docker does not answer"), "Docker does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.release(berth.ReleaseStarting, "web:1")
			b.run(time.Minute)
			before := b.observed()
			b.fails["sync"] = c.err
			var first time.Time
			for i := range 3 {
				b.now = b.now.Add(time.Second)
				if _, err := b.turn(); !errors.Is(err, c.err) {
					t.Errorf("the loop hears %v", err)
				}
				o := b.observed()
				if i == 0 {
					first = o.At
				}
				if !strings.Contains(o.Error, c.want) || strings.Contains(o.Error, "reset") || len(o.Instances) != len(before.Instances) || !o.At.Equal(first) {
					t.Errorf("turn %d: %q at %s, instances %v", i, o.Error, o.At, o.Instances)
				}
			}
			delete(b.fails, "sync")
			if _, err := b.turn(); err != nil || b.observed().Error != "" {
				t.Errorf("%v; still told: %q", err, b.observed().Error)
			}
		})
	}
}

func TestARemovalGoesInOrderAndTheRowLast(t *testing.T) {
	b := newBench(t)
	b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	b.want(berth.DesireDelete)
	b.engine.slow = 1
	if again, err := b.turn(); err != nil || again == 0 {
		t.Fatalf("again after %s, %v", again, err)
	}
	errBusy := errors.New("busy")
	for _, what := range []string{"engine", "volumes", "files"} {
		b.fails[what] = errBusy
		if _, err := b.turn(); !errors.Is(err, errBusy) {
			t.Errorf("%s: the loop hears %v", what, err)
		}
		delete(b.fails, what)
		if keys, err := b.loop.Keys(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("%s: the row is gone too early: %v, %v", what, keys, err)
		}
	}
	if _, err := b.turn(); err != nil {
		t.Fatal(err)
	}
	want := []string{"engine", "engine", "engine", "volumes", "engine", "volumes", "files", "engine", "volumes", "files", "told"}
	if !slices.Equal(b.did, want) {
		t.Errorf("did %v, want %v", b.did, want)
	}
	if keys, err := b.loop.Keys(t.Context()); err != nil || len(keys) != 0 || b.told("deployment.deleted") != 1 {
		t.Errorf("keys %v, %v; told %d times", keys, err, b.told("deployment.deleted"))
	}
	if again, err := b.turn(); err != nil || again != 0 || len(b.did) != len(want) {
		t.Errorf("a deployment that is gone: again after %s, %v, did %v", again, err, b.did)
	}
}

func TestARemovalWaitsForWhoPreparesARelease(t *testing.T) {
	b := newBench(t)
	b.want(berth.DesireDelete)
	unlock, err := b.config.Lock(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.loop.Turn(ctx, shop); !errors.Is(err, context.Canceled) || len(b.did) > 0 {
		t.Errorf("%v; did %v", err, b.did)
	}
	unlock()
	if _, err := b.turn(); err != nil || len(b.did) == 0 {
		t.Errorf("%v; did %v", err, b.did)
	}
}

func TestNothingRunsBeforeAReleaseIsComplete(t *testing.T) {
	b := newBench(t)
	b.release(berth.ReleasePending)
	if again, err := b.turn(); err != nil || again != 0 || b.engine.syncs != 0 {
		t.Errorf("again after %s, %v, %d syncs", again, err, b.engine.syncs)
	}
}

func TestAStoppedDeploymentIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.images["web:1"] = fake.Behaviour{NeverReady: true}
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(10 * time.Second)
	b.want(berth.DesireStop)
	b.run(time.Minute)
	if o := b.observed(); len(o.Instances) != 0 || o.Elements[0].Status != berth.Grey {
		t.Errorf("seen %+v", o)
	}
	if again, err := b.turn(); err != nil || again != 0 {
		t.Errorf("looks again after %s, %v", again, err)
	}
	b.now = b.now.Add(24 * time.Hour)
	b.run(time.Minute) // a full pass
	b.images["web:1"] = fake.Behaviour{ReadyAfter: time.Minute}
	b.want(berth.DesireRun)
	b.run(30 * time.Second)
	if r := b.state(id); r.State != berth.ReleaseStarting {
		t.Errorf("the day that it was stopped counts: the release is %s: %q", r.State, r.Message)
	}
	b.run(time.Minute)
	if r := b.state(id); r.State != berth.ReleaseServing {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
}
