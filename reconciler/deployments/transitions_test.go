package deployments_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/sqlite"
)

var crashes = fake.Behaviour{Exits: true, ExitCode: 3}

func TestAReleaseServesWhenAllOfItIsReady(t *testing.T) {
	b := newBench(t)
	b.images["web:1"] = fake.Behaviour{ReadyAfter: 10 * time.Second}
	id := b.release(berth.ReleaseStarting, "web:1", "api:1")
	b.run(5 * time.Second)
	if r := b.state(id); r.State != berth.ReleaseStarting || len(r.Hashes) != 0 {
		t.Fatalf("half of it is ready, and the release is %s", r.State)
	}
	b.run(time.Minute)
	r := b.state(id)
	if r.State != berth.ReleaseServing || r.ServingAt.IsZero() || b.told("release.serving") != 1 {
		t.Errorf("the release is %s since %s, told %d times", r.State, r.ServingAt, b.told("release.serving"))
	}
	seen := map[string]string{}
	for _, i := range b.observed().Instances {
		seen[i.Element+"/"+i.Workload] = i.Hash
	}
	if len(seen) != 2 || !maps.Equal(seen, r.Hashes) {
		t.Errorf("hashes %v, instances %v", r.Hashes, seen)
	}
}

func TestANewReleaseSupersedesWhatServedOrWasStarting(t *testing.T) {
	b := newBench(t)
	serving := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	starting := b.release(berth.ReleaseStarting, "web:2")
	failed := b.release(berth.ReleaseFailed)
	newest := b.release(berth.ReleaseStarting, "web:3")
	b.run(time.Minute)
	for id, want := range map[berth.ID]berth.ReleaseState{serving: berth.ReleaseSuperseded, starting: berth.ReleaseSuperseded,
		failed: berth.ReleaseFailed, newest: berth.ReleaseServing} {
		if r := b.state(id); r.State != want {
			t.Errorf("release %d is %s, want %s", r.Revision, r.State, want)
		}
	}
}

func TestAReleaseThatCrashesFailsAndTheOneBeforeServesOn(t *testing.T) {
	b := newBench(t)
	old := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	b.images["web:2"] = crashes
	broken := b.release(berth.ReleaseStarting, "web:2")
	b.run(time.Minute)
	if r := b.state(broken); r.State != berth.ReleaseFailed || !strings.Contains(r.Message, "web ended 3 times") || !strings.Contains(r.Message, "exit code 3") {
		t.Errorf("the broken one is %s: %q", r.State, r.Message)
	}
	if r := b.state(old); r.State != berth.ReleaseServing {
		t.Errorf("the old one is %s", r.State)
	}
	b.run(time.Minute)
	if o := b.observed(); len(o.Instances) != 1 || !o.Instances[0].Ready || o.Instances[0].Run != 1 || b.told("release.failed") != 1 {
		t.Errorf("what served was touched: %+v; the failure was told %d times", o.Instances, b.told("release.failed"))
	}
}

func TestTheFirstReleaseThatFailedServesOnceItIsReady(t *testing.T) {
	b := newBench(t)
	b.images["web:1"] = crashes
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	if r := b.state(id); r.State != berth.ReleaseFailed {
		t.Fatalf("the release is %s", r.State)
	}
	delete(b.images, "web:1")
	b.run(3 * time.Minute)
	if r := b.state(id); r.State != berth.ReleaseServing || r.Message != "" {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
}

func TestAReleaseThatTakesTooLongFails(t *testing.T) {
	b := newBench(t)
	b.images["web:1"] = fake.Behaviour{NeverReady: true}
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(4 * time.Minute)
	if r := b.state(id); r.State != berth.ReleaseStarting {
		t.Fatalf("after 4 minutes it is %s: %q", r.State, r.Message)
	}
	b.run(2 * time.Minute)
	if r := b.state(id); r.State != berth.ReleaseFailed || !strings.Contains(r.Message, "web was not ready after 5m0s") {
		t.Errorf("after 6 minutes it is %s: %q", r.State, r.Message)
	}
}

func TestTheTimeThatTheServerWasDownDoesNotCount(t *testing.T) {
	b := newBench(t)
	b.images["web:1"] = fake.Behaviour{NeverReady: true}
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	b.now = b.now.Add(time.Hour)
	b.restart()
	b.run(4 * time.Minute)
	if r := b.state(id); r.State != berth.ReleaseStarting {
		t.Errorf("4 minutes after the restart it is %s: %q", r.State, r.Message)
	}
}

// What a person would do: deploy broken commits for weeks, and never look at what serves.
func TestWhatServesIsKeptBehindAnyNumberOfFailures(t *testing.T) {
	b := newBench(t)
	serving := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	b.images["web:2"] = crashes
	for i := range 60 {
		if i%2 == 0 {
			b.release(berth.ReleaseFailed, "web:2")
		} else {
			b.release(berth.ReleaseFailed)
		}
	}
	b.run(time.Minute)
	if o := b.observed(); len(o.Instances) != 1 || !o.Instances[0].Ready || o.Instances[0].Run != 1 {
		t.Errorf("what served was touched: %+v", o.Instances)
	}
	newest := b.release(berth.ReleaseStarting, "web:3")
	b.run(time.Minute)
	if old, now := b.state(serving), b.state(newest); old.State != berth.ReleaseSuperseded || now.State != berth.ReleaseServing {
		t.Errorf("the old one is %s, the new one %s", old.State, now.State)
	}
}

// A database that was killed now and then in half a year fails no deploy by being killed once more.
func TestEndsOfSteadyRunsCountAgainstNoRelease(t *testing.T) {
	b := newBench(t)
	b.release(berth.ReleaseStarting, "web:1", "dbs:1")
	b.run(time.Minute)
	end := func() {
		for _, i := range b.observed().Instances {
			if i.Element == "dbs" && i.State == berth.InstanceRunning {
				if err := b.engine.Machine().Exit(i.ID, 137, b.now); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for range 5 {
		b.run(time.Hour)
		end()
	}
	b.run(time.Hour)
	newest := b.release(berth.ReleaseStarting, "web:2", "dbs:1")
	b.images["web:2"] = fake.Behaviour{ReadyAfter: time.Minute}
	b.run(2 * time.Second)
	end()
	b.run(2 * time.Minute)
	if r := b.state(newest); r.State != berth.ReleaseServing {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
	if n := b.told("instance.exited"); n != 6 {
		t.Errorf("%d ends were told, want 6", n)
	}
}

func TestWhatTheEngineCannotHonourFailsByName(t *testing.T) {
	b := newBench(t)
	id := b.release(berth.ReleaseStarting, "web:1")
	b.update(func(tx *sqlite.Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), shop)
		if err != nil {
			return err
		}
		d.Size = "XXL"
		return tx.UpdateDeployment(d)
	})
	for range 2 {
		if again, err := b.turn(); err != nil || again != 0 {
			t.Errorf("again after %s, %v", again, err)
		}
	}
	if r := b.state(id); r.State != berth.ReleaseFailed || !strings.Contains(r.Message, "XXL") || b.told("release.failed") != 1 {
		t.Errorf("the release is %s: %q, told %d times", r.State, r.Message, b.told("release.failed"))
	}
}

func TestAnInstanceThatEndsIsReplacedAndTheReleaseServesOn(t *testing.T) {
	b := newBench(t)
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	if err := b.engine.Machine().Exit(b.observed().Instances[0].ID, 1, b.now); err != nil {
		t.Fatal(err)
	}
	b.run(time.Minute)
	o := b.observed()
	if len(o.Instances) != 1 || !o.Instances[0].Ready || o.Instances[0].Run != 2 || b.state(id).State != berth.ReleaseServing {
		t.Errorf("seen %+v; the release is %s", o.Instances, b.state(id).State)
	}
	if b.told("instance.exited") != 1 || b.told("release.serving") != 1 {
		t.Errorf("told %d ends, %d servings", b.told("instance.exited"), b.told("release.serving"))
	}
}
