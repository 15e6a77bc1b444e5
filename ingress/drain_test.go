package ingress

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestNothingIsDrainedBeforeTheFirstPass(t *testing.T) {
	w := newWorld(t)
	if w.Drained("anything") {
		t.Error("drained, though nothing is known")
	}
	w.refresh()
	if !w.Drained("anything") {
		t.Error("an instance that never was routed is not drained")
	}
	if w.Applied() != 1 {
		t.Errorf("applied %d", w.Applied())
	}
}

func TestAReleaseLeadsFromThePassOnThatReadsIt(t *testing.T) {
	first, second := shopRelease(1, berth.ReleaseServing, hashes("w1", "a1", "p1")), shopRelease(2, berth.ReleaseServing, hashes("w2", "a2", "p1"))
	if newWorld(t).Leads(first) {
		t.Error("it leads, though nothing has been applied")
	}
	w := serving(t)
	if !w.Leads(first) || w.Leads(second) {
		t.Error("the release that serves does not lead, or another one does")
	}
	swapRelease(w)
	if w.Leads(first) || !w.Leads(second) {
		t.Error("the release before leads on")
	}
}

// swapRelease makes release 2 serve with new web and api, and the same postgres.
func swapRelease(w *world) {
	w.store.releases["shop000000"] = []berth.Release{shopRelease(2, berth.ReleaseServing, hashes("w2", "a2", "p1")), shopRelease(1, berth.ReleaseSuperseded, hashes("w1", "a1", "p1"))}
	w.store.observed["shop000000"] = berth.Observed{Core: "10.0.0.1", Instances: []berth.InstanceStatus{
		instance("web", "w1", "10.0.0.2", unwanted), instance("api", "a1", "10.0.0.4", unwanted), instance("postgres", "p1", "10.0.0.6"),
		instance("web", "w2", "10.0.0.3"), instance("api", "a2", "10.0.0.5")}}
	w.refresh()
}

func TestAnInstanceDrainsWhenNeitherHostNorNameLeadsThere(t *testing.T) {
	w := serving(t)
	for _, id := range []string{"web-w1", "api-a1", "postgres-p1"} {
		if w.Drained(id) {
			t.Errorf("%s is drained while it serves", id)
		}
	}
	if !w.Drained("web-w2") {
		t.Error("what does not serve yet is not drained")
	}
	swapRelease(w)
	if w.Drained("web-w1") {
		t.Error("drained while somebody may still know its address by name")
	}
	w.clock = w.clock.Add(nameGrace + time.Millisecond)
	if !w.Drained("web-w1") || !w.Drained("api-a1") {
		t.Error("not drained after the names' time")
	}
	if w.Drained("web-w2") || w.Drained("postgres-p1") {
		t.Error("what serves now is drained")
	}
	w.refresh()
	w.clock = w.clock.Add(nameGrace + time.Millisecond)
	w.refresh()
	if len(w.named) != 3 {
		t.Errorf("%d instances are remembered, want those of the serving release", len(w.named))
	}
}

func TestARequestInFlightKeepsItsInstance(t *testing.T) {
	w := serving(t)
	arrived, leave := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-leave
	}))
	t.Cleanup(slow.Close)
	w.instances.mu.Lock()
	w.instances.addresses["web-w1"] = slow.Listener.Addr().String()
	w.instances.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); w.get(shopWeb) }()
	<-arrived
	swapRelease(w)
	w.clock = w.clock.Add(time.Minute)
	if w.Drained("web-w1") {
		t.Error("drained with a request in flight")
	}
	close(leave)
	<-done
	if !w.Drained("web-w1") {
		t.Error("not drained after its last request")
	}
}

func TestRunAppliesChangesSoonAndSurvivesAStoreThatIsDown(t *testing.T) {
	w := serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	until := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	until("a first pass", func() bool { return w.Applied() > 1 })
	w.store.change(func() { w.store.deployments[0].Desire = berth.DesireStop })
	until("stopped", func() bool { return w.answer(shopWeb) == "stopped" })

	w.store.change(func() { w.store.down = errors.New("disk full"); w.store.deployments[0].Desire = berth.DesireRun })
	if got := w.answer(shopWeb); got != "stopped" {
		t.Errorf("the last table does not stay: %s", got)
	}
	w.store.change(func() { w.store.down = nil })
	until("running again", func() bool { return w.answer(shopWeb) == "web-w1" })
	cancel()
	<-done
}
