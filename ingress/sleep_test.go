package ingress

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// serves puts a shop into the store whose first release serves; change says how it differs.
func (w *world) serves(kind berth.StageKind, change func(*berth.Deployment)) berth.Deployment {
	d, hosts := shop(kind)
	change(&d)
	w.store.deployments, w.store.hosts = []berth.Deployment{d}, hosts
	w.store.releases[d.ID] = []berth.Release{shopRelease(1, berth.ReleaseServing, hashes("w1", "a1", "p1"))}
	return d
}

// TestARequestWakesAndWaits asks a deployment that sleeps, many at once: it is woken, and all of them are answered by
// the instance that comes.
func TestARequestWakesAndWaits(t *testing.T) {
	for _, kind := range []berth.StageKind{berth.KindDevelopment, berth.KindBuild} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t)
			w.instances.start(t, "web-w1")
			woken := make(chan berth.ID, 100)
			w.config.Wake = func(id berth.ID) { woken <- id }
			d := w.serves(kind, func(d *berth.Deployment) { d.Desire = berth.DesireSleep })
			w.refresh()
			var visitors sync.WaitGroup
			answers := make(chan string, 50)
			for range cap(answers) {
				visitors.Go(func() {
					status, body := w.get(shopWeb)
					if status != http.StatusOK {
						t.Errorf("status %d", status)
					}
					answers <- body
				})
			}
			if id := <-woken; id != d.ID {
				t.Fatalf("%s was woken", id)
			}
			d.Desire, d.Rest.Woken = berth.DesireRun, w.clock
			w.store.change(func() { w.store.deployments[0] = d })
			w.refresh() // it is starting: nobody answers yet, and nobody is sent away
			w.store.change(func() {
				w.store.observed[d.ID] = berth.Observed{Instances: []berth.InstanceStatus{instance("web", "w1", "10.0.0.2")}}
			})
			w.refresh()
			visitors.Wait()
			for range cap(answers) {
				if got := <-answers; got != "web-w1" {
					t.Errorf("answered by %q", got)
				}
			}
		})
	}
}

// TestAnOpenPageWakesNothing sends what the page of a development server sends by itself when that is gone.
func TestAnOpenPageWakesNothing(t *testing.T) {
	w := newWorld(t)
	w.config.Wake = func(berth.ID) { t.Error("it was woken") }
	w.serves(berth.KindDevelopment, func(d *berth.Deployment) { d.Desire = berth.DesireSleep })
	w.refresh()
	for _, header := range []http.Header{
		{"Sec-Fetch-Mode": {"no-cors"}}, {"Sec-Fetch-Mode": {"cors"}},
		{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Origin": {"https://" + hostName(shopWeb)}},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+hostName(shopWeb)+"/", nil)
		r.Header = header
		recorder := httptest.NewRecorder()
		w.proxy.ServeHTTP(recorder, r)
		if recorder.Code != http.StatusServiceUnavailable {
			t.Errorf("%v: status %d", header, recorder.Code)
		}
	}
}

func TestWakingUpEnds(t *testing.T) {
	w := newWorld(t)
	d := w.serves(berth.KindDevelopment, func(d *berth.Deployment) { d.Rest.Woken = w.clock })
	w.store.observed[d.ID] = berth.Observed{Elements: []berth.ElementStatus{{Identifier: "web", Status: berth.Red}}}
	w.refresh()
	if got := w.answer(shopWeb); got != "failed" {
		t.Errorf("an element that fails has its visitors wait: %s", got)
	}
	w.store.observed[d.ID] = berth.Observed{}
	w.clock = w.clock.Add(wakeTime + time.Second)
	w.refresh()
	if got := w.answer(shopWeb); got != "starting" {
		t.Errorf("long after it was woken: %s", got)
	}
}

func TestNothingWakesWhatAPersonStopped(t *testing.T) {
	w := newWorld(t)
	w.config.Wake = func(berth.ID) { t.Error("it was woken") }
	w.serves(berth.KindDevelopment, func(d *berth.Deployment) { d.Desire = berth.DesireStop })
	w.refresh()
	if got := w.answer(shopWeb); got != "stopped" {
		t.Errorf("it answers %s", got)
	}
}
