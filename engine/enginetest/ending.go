package enginetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

func (b *bench) listed(t *testing.T) bool {
	t.Helper()
	all, err := b.engine.Deployments(t.Context())
	if err != nil {
		t.Fatalf("list deployments: %v", err)
	}
	return slices.Contains(all, b.id)
}

func stoppedKeepsDeployment(t *testing.T, f Factory) {
	b := newBench(t, f)
	w := b.build(f.web("web", serving("")))
	before := b.settle(t, w)
	b.route(before.Instances[0].ID, true)
	w.Stopped = true
	stopped := b.settle(t, w)
	if len(stopped.Instances) != 0 || !b.listed(t) {
		t.Errorf("%d instances, listed %v, want none and listed", len(stopped.Instances), b.listed(t))
	}
	w.Stopped = false
	after := b.settle(t, w)
	if after.Core != before.Core {
		t.Errorf("core = %s, was %s", after.Core, before.Core)
	}
	if was, is := before.Instances[0], only(t, after); is.Hash != was.Hash || is.ID == was.ID {
		t.Errorf("started again as %+v, was %+v", is, was)
	}
}

func haltedElementRunsNothing(t *testing.T, f Factory) {
	b := newBench(t, f)
	w := b.build(f.web("web", serving("")), f.web("other", serving("")))
	before := b.settle(t, w)
	for _, i := range before.Instances {
		b.route(i.ID, true)
	}
	w.Elements[0].Halted = "its volume is full"
	halted := b.until(t, w, "halted", func(o engine.Observation) bool { return live(o) == 1 })
	b.turns(t, w, func(o engine.Observation) {
		if o.Settled || live(o) != 1 || !slices.Contains(ids(o), instanceOf(before, "other")) {
			t.Errorf("settled %v with %d live of %v", o.Settled, live(o), ids(o))
		}
	})
	for _, i := range halted.Instances {
		if i.Element == "web" && (i.Reason != engine.DiskLimit || i.Message != w.Elements[0].Halted) && b.tellsWhy(t) {
			t.Errorf("ended by %q: %q", i.Reason, i.Message)
		}
	}
	w.Elements[0].Halted = ""
	b.settle(t, w)
}

// tellsWhy reports whether the engine has the ability to end an instance for a reason.
func (b *bench) tellsWhy(t *testing.T) bool {
	t.Helper()
	_, tells := b.engine.(engine.Halter)
	return tells
}

func instanceOf(o engine.Observation, element string) string {
	for _, i := range o.Instances {
		if i.Element == element {
			return i.ID
		}
	}
	return ""
}

func haltEndsAnInstance(t *testing.T, f Factory) {
	b := newBench(t, f)
	halter := ability[engine.Halter](t, b.engine)
	w := b.build(f.web("web", serving("")))
	first := only(t, b.settle(t, w))
	if err := halter.Halt(t.Context(), first.ID, engine.DiskLimit, "wrote too much"); err != nil {
		t.Fatal(err)
	}
	told := false
	second := only(t, b.until(t, w, "replaced", func(o engine.Observation) bool {
		return o.Settled && o.Instances[0].ID != first.ID
	}, func(o engine.Observation) {
		for _, i := range o.Instances {
			told = told || i.ID == first.ID && i.Reason == engine.DiskLimit && i.Message == "wrote too much"
		}
	}))
	if !told || second.Run != first.Run+1 {
		t.Errorf("told why: %v; run %d after %d", told, second.Run, first.Run)
	}
	if err := halter.Halt(t.Context(), "nobody", engine.DiskLimit, ""); !errors.Is(err, engine.ErrNoInstance) {
		t.Errorf("halt of no instance: %v, want ErrNoInstance", err)
	}
}

func removeIsComplete(t *testing.T, f Factory) {
	b := newBench(t, f)
	if gone, err := b.engine.Remove(t.Context(), berth.NewID()); err != nil || !gone {
		t.Errorf("remove of what never was: gone %v, %v", gone, err)
	}
	i := only(t, b.settle(t, b.build(f.web("web", serving("")))))
	if !b.listed(t) {
		t.Error("not listed while it runs")
	}
	b.route(i.ID, true)
	b.remove(t)
	if b.listed(t) {
		t.Error("listed after it is gone")
	}
	if gone, err := b.engine.Remove(t.Context(), b.id); err != nil || !gone {
		t.Errorf("remove again: gone %v, %v", gone, err)
	}
}

func foreignThingsAreLeftAlone(t *testing.T, f Factory) {
	intact := f.Decoys(t)
	b := newBench(t, f)
	b.settle(t, b.build(f.web("web", serving(""))))
	b.reopen(t)
	b.settle(t, b.build(f.web("web", serving(""))))
	b.remove(t)
	intact(t)
}

func deploymentsAreApart(t *testing.T, f Factory) {
	a, b := newBench(t, f), newBench(t, f)
	b.engine = a.engine
	wa, wb := a.build(f.web("web", serving("a"))), b.build(f.web("web", serving("b")))
	before := a.settle(t, wa)
	other := only(t, b.settle(t, wb))
	b.remove(t)
	a.turns(t, wa, func(o engine.Observation) {
		if !o.Settled || !slices.Equal(ids(o), ids(before)) {
			t.Errorf("settled %v with %v, before with %v", o.Settled, ids(o), ids(before))
		}
		if slices.Contains(ids(o), other.ID) {
			t.Error("sees the other's instance")
		}
	})
}
