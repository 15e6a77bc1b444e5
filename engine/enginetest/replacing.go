package enginetest

import (
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest/program"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func syncIsIdempotent(t *testing.T, f Factory) {
	b := newBench(t, f)
	w := b.build(f.web("web", serving("")))
	before := b.settle(t, w)
	b.turns(t, w, func(o engine.Observation) {
		if !o.Settled || !slices.Equal(ids(o), ids(before)) {
			t.Errorf("settled %v with %v, before with %v", o.Settled, ids(o), ids(before))
		}
	})
}

func adoptsWhatRuns(t *testing.T, f Factory) {
	b := newBench(t, f)
	w := b.build(f.web("web", serving("")))
	before := only(t, b.settle(t, w))
	b.reopen(t)
	after := only(t, b.settle(t, w, func(o engine.Observation) {
		if i := only(t, o); i.ID != before.ID {
			t.Errorf("instance %s, before %s", i.ID, before.ID)
		}
	}))
	if !after.StartedAt.Equal(before.StartedAt) || after.Run != before.Run || after.Hash != before.Hash {
		t.Errorf("adopted as %+v, was %+v", after, before)
	}
}

func replacedWithBackoff(t *testing.T, f Factory) {
	b := newBench(t, f)
	short := serving("")
	short.ExitAfter, short.Code = 200*time.Millisecond, 3
	runs := map[int]engine.Instance{}
	b.until(t, b.build(f.web("web", short)), "run four times", func(engine.Observation) bool { return len(runs) >= 4 },
		func(o engine.Observation) {
			if live(o) > 1 {
				t.Errorf("%d instances live in one slot", live(o))
			}
			for _, i := range o.Instances {
				if i.State == berth.InstanceExited {
					runs[i.Run] = i
				}
			}
		})
	wait := f.Backoff.Min
	for run := 1; run < 4; run++ {
		last, next := runs[run], runs[run+1]
		if last.ExitCode != 3 || last.Reason == "" || last.Message == "" || last.Ready {
			t.Errorf("run %d: exit code %d, reason %q, message %q, ready %v", run, last.ExitCode, last.Reason, last.Message, last.Ready)
		}
		if waited := next.StartedAt.Sub(last.EndedAt); waited < wait*9/10 {
			t.Errorf("run %d began %s after run %d ended, want at least %s", run+1, waited, run, wait)
		}
		wait = min(2*wait, f.Backoff.Max)
	}
}

func replacedWhenKilled(t *testing.T, f Factory) {
	b := newBench(t, f)
	w := b.build(f.web("web", serving("")))
	before := only(t, b.settle(t, w))
	f.Kill(t, before)
	after := only(t, b.until(t, w, "replaced", func(o engine.Observation) bool {
		i, ok := find(o, of("web"))
		return ok && o.Settled && i.ID != before.ID
	}))
	if after.Run != before.Run+1 || after.Slot != before.Slot || after.Hash != before.Hash {
		t.Errorf("replaced by %+v, was %+v", after, before)
	}
}

func podEndsWithAnyContainer(t *testing.T, f Factory) {
	b := newBench(t, f)
	web := f.web("web", serving(""))
	side := f.container("side", program.Serve{ExitAfter: 500 * time.Millisecond, Code: 5})
	pod(web).Containers = append(pod(web).Containers, side)
	b.until(t, b.build(web), "replaced", func(o engine.Observation) bool {
		i, ok := find(o, func(i engine.Instance) bool { return i.Run == 2 })
		return ok && isLive(i)
	}, func(o engine.Observation) {
		if live(o) > 1 {
			t.Errorf("%d instances live in one slot", live(o))
		}
	})
}

func unchangedElementKeepsRunning(t *testing.T, f Factory) {
	b := newBench(t, f)
	before := b.settle(t, b.build(f.web("web", serving("one")), f.web("api", serving("api"))))
	after := b.settle(t, b.build(f.web("web", serving("two")), f.web("api", serving("api"))))
	was, _ := find(before, of("api"))
	if is, _ := find(after, of("api")); is.ID != was.ID {
		t.Errorf("api runs as %s, was %s", is.ID, was.ID)
	}
	was, _ = find(before, of("web"))
	if is, _ := find(after, of("web")); is.ID == was.ID || is.Hash == was.Hash {
		t.Errorf("web still runs as %s", is.ID)
	}
}

func overlapKeepsOldUntilDrained(t *testing.T, f Factory) {
	b := newBench(t, f)
	old := only(t, b.settle(t, b.build(f.web("web", serving("one")))))
	b.route(old.ID, true)
	w := b.build(f.web("web", serving("two")))
	oldRuns := func(o engine.Observation) {
		i, ok := find(o, func(i engine.Instance) bool { return i.ID == old.ID })
		if !ok || i.State != berth.InstanceRunning || i.Wanted {
			t.Fatalf("the old instance is %+v while it is routed", i)
		}
	}
	o := b.until(t, w, "ready beside the old one", func(o engine.Observation) bool {
		i, ok := find(o, func(i engine.Instance) bool { return i.ID != old.ID })
		return ok && i.Ready && i.Wanted
	}, oldRuns)
	if o.Settled {
		t.Error("settled while an old instance is left")
	}
	b.turns(t, w, oldRuns)
	b.route(old.ID, false)
	if i := only(t, b.settle(t, w)); i.ID == old.ID {
		t.Error("the old instance is the one that is left")
	}
}

func unreadyReleaseLeavesOldAlone(t *testing.T, f Factory) {
	b := newBench(t, f)
	good := b.build(f.web("web", serving("one")))
	old := only(t, b.settle(t, good))
	broken := f.web("web", serving("two"))
	broken.Health = &berth.Health{Command: []string{program.Path, "exit", "1"}}
	w := b.build(broken)
	b.until(t, w, "running unready", func(o engine.Observation) bool {
		i, ok := find(o, func(i engine.Instance) bool { return i.ID != old.ID })
		return ok && i.State == berth.InstanceRunning
	})
	b.turns(t, w, func(o engine.Observation) {
		if i, _ := find(o, func(i engine.Instance) bool { return i.ID == old.ID }); i.State != berth.InstanceRunning {
			t.Errorf("the old instance is %q", i.State)
		}
	})
	if i := only(t, b.settle(t, good)); i.ID != old.ID {
		t.Errorf("back at the old release %s runs, want %s", i.ID, old.ID)
	}
}

// neverOverlap rolls out one of two workloads over the other and watches that never two instances live.
func neverOverlap(t *testing.T, b *bench, one, two engine.Workload) {
	t.Helper()
	old := only(t, b.settle(t, one))
	b.route(old.ID, true)
	last := only(t, b.settle(t, two, func(o engine.Observation) {
		if live(o) > 1 {
			t.Errorf("%d instances live at once: %+v", live(o), o.Instances)
		}
	}))
	if last.ID == old.ID {
		t.Error("the old instance is the one that is left")
	}
}

func recreateNeverOverlaps(t *testing.T, f Factory) {
	b := newBench(t, f)
	recreate := func(text string) engine.Workload {
		d := f.deployment("app", serving(text))
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		return b.build(element("web", berth.KindComponent, d))
	}
	neverOverlap(t, b, recreate("one"), recreate("two"))
}

func statefulSetNeverOverlaps(t *testing.T, f Factory) {
	b := newBench(t, f)
	set := func(text string) engine.Workload {
		return b.build(element("db", berth.KindAddon, runtime.Object(f.statefulSet("db", serving(text)))))
	}
	neverOverlap(t, b, set("one"), set("two"))
}

func developmentNeverOverlaps(t *testing.T, f Factory) {
	b := newBench(t, f)
	neverOverlap(t, b, b.development(f.web("web", serving("one"))), b.development(f.web("web", serving("two"))))
}

func restartReplaces(t *testing.T, f Factory) {
	b := newBench(t, f)
	old := only(t, b.settle(t, b.build(f.web("web", serving("")))))
	again := f.web("web", serving(""))
	again.Restarts = 1
	if i := only(t, b.settle(t, b.build(again))); i.ID == old.ID {
		t.Error("the instance was not replaced")
	}
}

func vanishedElementEnds(t *testing.T, f Factory) {
	b := newBench(t, f)
	b.settle(t, b.build(f.web("web", serving("")), f.web("api", serving(""))))
	if i := only(t, b.settle(t, b.build(f.web("web", serving(""))))); i.Element != "web" {
		t.Errorf("%s is left", i.Element)
	}
}
