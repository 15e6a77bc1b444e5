package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	now    = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	policy = Backoff{Min: time.Second, Max: 10 * time.Second, Steady: time.Minute}
)

// instance is a ready, unrouted instance that has run for an hour: cases say how theirs differs.
func instance(id, key, hash string, with ...func(*Observed)) Observed {
	o := Observed{
		ID: id, Key: key, Hash: hash, Run: 1, State: Running, Ready: true, Drained: true,
		Since: now.Add(-time.Hour), Started: now.Add(-time.Hour),
	}
	for _, f := range with {
		f(&o)
	}
	return o
}

func slot(n int) func(*Observed)     { return func(o *Observed) { o.Slot = n } }
func run(n int) func(*Observed)      { return func(o *Observed) { o.Run = n } }
func failures(n int) func(*Observed) { return func(o *Observed) { o.Failures = n } }
func routed(o *Observed)             { o.Drained = false }
func unready(o *Observed)            { o.Ready = false }
func succeeded(o *Observed)          { o.Success = true }

func preparing(o *Observed) {
	o.State, o.Ready, o.Started = Preparing, false, time.Time{}
}

// exited says how long ago an instance ended and how long it had lived.
func exited(ago, lived time.Duration) func(*Observed) {
	return func(o *Observed) {
		o.State, o.Ready = Exited, false
		o.Since = now.Add(-ago)
		o.Started = o.Since.Add(-lived)
	}
}

func neverRan(o *Observed) { o.Started = time.Time{} }

func overlapping(key, hash string) Wanted {
	return Wanted{Key: key, Hash: hash, Replicas: 1, Overlap: true}
}

func recreated(key, hash string) Wanted { return Wanted{Key: key, Hash: hash, Replicas: 1} }

func job(key, hash string) Wanted { return Wanted{Key: key, Hash: hash, Replicas: 1, Once: true} }

func gate(key, hash string) Wanted { w := job(key, hash); w.Gate = true; return w }

func held(w Wanted) Wanted { w.Held = true; return w }

func tier(n int, w Wanted) Wanted { w.Tier = n; return w }

func replicas(n int, w Wanted) Wanted { w.Replicas = n; return w }

func start(key, hash string, slot, run int) Operation {
	return Operation{Action: Start, Key: key, Hash: hash, Slot: slot, Run: run}
}

func stop(o Observed) Operation   { return onInstance(Stop, o) }
func remove(o Observed) Operation { return onInstance(Remove, o) }

func onInstance(a Action, o Observed) Operation {
	return Operation{Action: a, Key: o.Key, Hash: o.Hash, Slot: o.Slot, Run: o.Run, Instance: o.ID}
}

func TestNext(t *testing.T) {
	var (
		old     = instance("old", "web/app", "v1", routed)
		drained = instance("old", "web/app", "v1")
		fresh   = instance("new", "web/app", "v2", run(2))
		db      = instance("db", "db/app", "v1")
	)
	type is = []Observed
	type ws = []Wanted
	type ops = []Operation
	for _, test := range []struct {
		name     string
		wanted   ws
		observed is
		do       ops
		again    time.Duration
		settled  bool
	}{
		// Starts.
		{name: "nothing wanted, nothing there: settled", settled: true},
		{name: "what is missing starts with run 1 in every slot",
			wanted: ws{replicas(2, overlapping("web/app", "v1"))},
			do:     ops{start("web/app", "v1", 0, 1), start("web/app", "v1", 1, 1)}},
		{name: "what is starting is left alone", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", preparing)}},
		{name: "what runs but is not ready is left alone", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", unready)}},
		{name: "all ready and nothing else there: settled", wanted: ws{overlapping("web/app", "v1")},
			observed: is{old}, settled: true},
		{name: "more replicas start beside the ones that serve", wanted: ws{replicas(2, overlapping("web/app", "v1"))},
			observed: is{old}, do: ops{start("web/app", "v1", 1, 1)}},
		{name: "a key wanted twice is wanted as it was first", wanted: ws{overlapping("web/app", "v1"), overlapping("web/app", "v2")},
			observed: is{old}, settled: true},

		// Held.
		{name: "what is held is not started", wanted: ws{held(overlapping("web/app", "v1"))}},
		{name: "what is held does not keep others from starting", wanted: ws{held(recreated("api/app", "v1")), overlapping("web/app", "v1")},
			do: ops{start("web/app", "v1", 0, 1)}},
		{name: "what runs of what is held runs on", wanted: ws{held(recreated("web/app", "v2"))}, observed: is{old}},

		// Gates.
		{name: "nothing starts before the gate is done", wanted: ws{gate("api/migrate", "v1"), overlapping("web/app", "v1")},
			do: ops{start("api/migrate", "v1", 0, 1)}},
		{name: "nothing ends for what a gate holds back", wanted: ws{gate("api/migrate", "v2"), recreated("web/app", "v2")},
			observed: is{old}, do: ops{start("api/migrate", "v2", 0, 1)}},
		{name: "what ran before the gate is replaced when it ends", wanted: ws{gate("api/migrate", "v2"), overlapping("web/app", "v1")},
			observed: is{instance("m", "api/migrate", "v2", unready), instance("a", "web/app", "v1", exited(time.Hour, time.Hour))},
			do:       ops{start("web/app", "v1", 0, 2)}},
		{name: "what lies below a gate does not wait for it", wanted: ws{tier(1, gate("api/migrate", "v2")), recreated("db/app", "v1")},
			do: ops{start("db/app", "v1", 0, 1)}},
		{name: "the gate done, all starts", wanted: ws{gate("api/migrate", "v2"), overlapping("web/app", "v2")},
			observed: is{old, instance("m", "api/migrate", "v2", exited(time.Second, time.Second), succeeded)},
			do:       ops{start("web/app", "v2", 0, 2)}},

		// Tiers.
		{name: "a higher tier waits for the first start of a lower one",
			wanted: ws{tier(1, overlapping("web/app", "v1")), recreated("db/app", "v1")},
			do:     ops{start("db/app", "v1", 0, 1)}},
		{name: "a higher tier waits until the lower one is ready",
			wanted:   ws{tier(1, overlapping("web/app", "v1")), recreated("db/app", "v1")},
			observed: is{instance("db", "db/app", "v1", unready)}},
		{name: "a higher tier starts once the lower one is ready",
			wanted:   ws{tier(1, overlapping("web/app", "v1")), recreated("db/app", "v1")},
			observed: is{db}, do: ops{start("web/app", "v1", 0, 1)}},
		{name: "two keys of one tier do not wait for each other",
			wanted:   ws{tier(1, overlapping("web/app", "v1")), tier(1, overlapping("api/app", "v1")), recreated("db/app", "v1")},
			observed: is{db}, do: ops{start("web/app", "v1", 0, 1), start("api/app", "v1", 0, 1)}},
		{name: "a job of a lower tier has to have ended well",
			wanted:   ws{job("api/migrate", "v1"), tier(1, overlapping("web/app", "v1"))},
			observed: is{instance("j", "api/migrate", "v1")}},
		{name: "what dies among the living is replaced without waiting for lower tiers",
			wanted: ws{recreated("db/app", "v1"), tier(1, overlapping("api/app", "v1")), tier(1, overlapping("web/app", "v1"))},
			observed: is{
				instance("db", "db/app", "v1", unready),
				instance("api", "api/app", "v1"),
				instance("web", "web/app", "v1", exited(5*time.Second, time.Minute)),
			},
			do: ops{start("web/app", "v1", 0, 2)}},
		{name: "after a reboot all begins anew, lower tiers first",
			wanted: ws{recreated("db/app", "v1"), tier(1, overlapping("web/app", "v1"))},
			observed: is{
				instance("db", "db/app", "v1", exited(time.Hour, time.Hour)),
				instance("web", "web/app", "v1", exited(time.Hour, time.Hour)),
			},
			do: ops{start("db/app", "v1", 0, 2)}},
		{name: "after a reboot a higher tier waits until the lower one is ready",
			wanted: ws{recreated("db/app", "v1"), tier(1, overlapping("web/app", "v1"))},
			observed: is{
				instance("db", "db/app", "v1", run(2), preparing, func(o *Observed) { o.Since = now.Add(-time.Second) }),
				instance("web", "web/app", "v1", exited(time.Hour, time.Hour)),
			}},
		{name: "a changed element does not wait for a lower tier", wanted: ws{recreated("db/app", "v1"), tier(1, overlapping("web/app", "v2"))},
			observed: is{instance("db", "db/app", "v1", unready), old}, do: ops{start("web/app", "v2", 0, 2)}},

		// Overlap.
		{name: "a new instance starts beside the one that serves", wanted: ws{overlapping("web/app", "v2")},
			observed: is{old}, do: ops{start("web/app", "v2", 0, 2)}},
		{name: "an old instance runs on until the new one is ready", wanted: ws{overlapping("web/app", "v2")},
			observed: is{drained, instance("new", "web/app", "v2", run(2), unready)}},
		{name: "an old instance runs on while it is routed", wanted: ws{overlapping("web/app", "v2")},
			observed: is{old, fresh}},
		{name: "an old instance ends when it is drained and the new one is ready", wanted: ws{overlapping("web/app", "v2")},
			observed: is{drained, fresh}, do: ops{stop(drained)}},
		{name: "an old instance runs on until every element of the release is ready",
			wanted:   ws{overlapping("web/app", "v2"), overlapping("api/app", "v2")},
			observed: is{drained, fresh, instance("api", "api/app", "v2", unready)}},
		{name: "an old instance that is never routed ends with its generation, not before",
			wanted: ws{overlapping("web/app", "v2"), overlapping("api/app", "v2")},
			observed: is{old, fresh,
				instance("oldapi", "api/app", "v1"), instance("newapi", "api/app", "v2", run(2))}},
		{name: "an old generation ends together", wanted: ws{overlapping("web/app", "v2"), overlapping("api/app", "v2")},
			observed: is{drained, fresh,
				instance("oldapi", "api/app", "v1"), instance("newapi", "api/app", "v2", run(2))},
			do: ops{stop(instance("oldapi", "api/app", "v1")), stop(drained)}},
		{name: "a third old generation makes the next start wait", wanted: ws{overlapping("web/app", "v4")},
			observed: is{old, instance("b", "web/app", "v2", run(2), routed), instance("c", "web/app", "v3", run(3), routed)}},
		{name: "of three old generations the newest that is not routed makes room", wanted: ws{overlapping("web/app", "v4")},
			observed: is{old, instance("b", "web/app", "v2", run(2)), instance("c", "web/app", "v3", run(3))},
			do:       ops{stop(instance("c", "web/app", "v3", run(3)))}},
		{name: "two old generations leave room for a start", wanted: ws{overlapping("web/app", "v3")},
			observed: is{old, instance("b", "web/app", "v2", run(2), unready)},
			do:       ops{start("web/app", "v3", 0, 3)}},
		{name: "going back to a release that still runs starts nothing", wanted: ws{overlapping("web/app", "v1")},
			observed: is{old, instance("new", "web/app", "v2", run(2), unready)},
			do:       ops{stop(instance("new", "web/app", "v2", run(2), unready))}},
		{name: "of two holders of one slot the routed one stays", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1"), instance("b", "web/app", "v1", run(2), routed)},
			do:       ops{stop(instance("a", "web/app", "v1"))}},
		{name: "a surplus replica ends when it is drained", wanted: ws{overlapping("web/app", "v1")},
			observed: is{old, instance("b", "web/app", "v1", slot(1))},
			do:       ops{stop(instance("b", "web/app", "v1", slot(1)))}},
		{name: "a surplus replica runs on while it is routed", wanted: ws{overlapping("web/app", "v1")},
			observed: is{old, instance("b", "web/app", "v1", slot(1), routed)}},

		// Recreate.
		{name: "without overlap the old instance ends first, drained or not", wanted: ws{recreated("web/app", "v2")},
			observed: is{old}, do: ops{stop(old)}},
		{name: "without overlap the new instance starts once the old one has ended", wanted: ws{recreated("web/app", "v2")},
			observed: is{instance("old", "web/app", "v1", exited(0, time.Hour))},
			do:       ops{start("web/app", "v2", 0, 2)}},
		{name: "without overlap no slot starts while another slot's old instance lives",
			wanted:   ws{replicas(2, recreated("db/app", "v2"))},
			observed: is{instance("a", "db/app", "v1", exited(0, time.Hour)), instance("b", "db/app", "v1", slot(1))},
			do:       ops{stop(instance("b", "db/app", "v1", slot(1)))}},
		{name: "without overlap a second instance in a slot ends at once", wanted: ws{recreated("db/app", "v1")},
			observed: is{db, instance("b", "db/app", "v1", run(2), routed, unready)},
			do:       ops{stop(instance("b", "db/app", "v1", run(2)))}},
		{name: "without overlap a workload under a new name waits for the element's old one", wanted: ws{recreated("db/main", "v2")},
			observed: is{db}, do: ops{stop(db)}},
		{name: "another element's workload does not wait for it", wanted: ws{recreated("cache/app", "v1")},
			observed: is{db}, do: ops{start("cache/app", "v1", 0, 1)}},

		// What vanished.
		{name: "a vanished element runs on until all that is wanted is ready", wanted: ws{overlapping("web/app", "v2")},
			observed: is{db, instance("new", "web/app", "v2", unready)}},
		{name: "a vanished element runs on while an older instance is routed", wanted: ws{overlapping("web/app", "v2")},
			observed: is{db, old, fresh}},
		{name: "a vanished element ends when nothing routed may need it", wanted: ws{overlapping("web/app", "v2")},
			observed: is{db, fresh}, do: ops{stop(db)}},
		{name: "a vanished element's exited instance is removed", wanted: ws{overlapping("web/app", "v1")},
			observed: is{old, instance("db", "db/app", "v1", exited(0, 0))},
			do:       ops{remove(instance("db", "db/app", "v1"))}},

		// Exits.
		{name: "an exited instance waits for its backoff", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", exited(300*time.Millisecond, time.Second))},
			again:    700 * time.Millisecond},
		{name: "an exited instance is replaced in its slot after its backoff", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", exited(time.Second, time.Second))},
			do:       ops{start("web/app", "v1", 0, 2)}},
		{name: "an instance that never ran is replaced after its backoff too", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", exited(0, 0), neverRan)}, again: time.Second},
		{name: "backoff doubles with each run that died young", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", run(3), failures(2), exited(time.Second, time.Second))},
			again:    3 * time.Second},
		{name: "backoff has a ceiling", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", run(90), failures(89), exited(time.Second, time.Second))},
			again:    9 * time.Second},
		{name: "backoff forgets after a run that lived", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", run(90), failures(89), exited(0, time.Minute))},
			again:    time.Second},
		{name: "the shortest backoff says when to decide again", wanted: ws{replicas(2, overlapping("web/app", "v1"))},
			observed: is{instance("a", "web/app", "v1", exited(0, 0)), instance("b", "web/app", "v1", slot(1), exited(800*time.Millisecond, 0))},
			again:    200 * time.Millisecond},
		{name: "a new release does not inherit the backoff of the old one", wanted: ws{overlapping("web/app", "v2")},
			observed: is{instance("a", "web/app", "v1", run(9), failures(8), exited(0, 0))},
			do:       ops{start("web/app", "v2", 0, 10)}},
		{name: "an end in the far future keeps nobody waiting", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", exited(-time.Hour, 0))},
			do:       ops{start("web/app", "v1", 0, 2)}},
		{name: "an exited instance is removed once its replacement exists", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", exited(time.Minute, 0)), instance("b", "web/app", "v1", run(2), preparing)},
			do:       ops{remove(instance("a", "web/app", "v1"))}},
		{name: "of several exited instances the newest is kept", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("b", "web/app", "v1", exited(time.Minute, 0)), instance("a", "web/app", "v1", run(2), exited(0, 0))},
			do:       ops{remove(instance("b", "web/app", "v1"))}, again: time.Second},
		{name: "an old release's exited instance goes when an older one holds the slot again", wanted: ws{overlapping("web/app", "v1")},
			observed: is{old, instance("b", "web/app", "v2", run(2), exited(0, 0))},
			do:       ops{remove(instance("b", "web/app", "v2", run(2)))}},

		// Jobs.
		{name: "a job that ended well is done and kept", wanted: ws{job("api/migrate", "v1")},
			observed: is{instance("j", "api/migrate", "v1", exited(time.Hour, time.Second), succeeded)}, settled: true},
		{name: "a job that runs is not done", wanted: ws{job("api/migrate", "v1")},
			observed: is{instance("j", "api/migrate", "v1")}},
		{name: "a job that failed is tried again", wanted: ws{job("api/migrate", "v1")},
			observed: is{instance("j", "api/migrate", "v1", exited(time.Minute, time.Second))},
			do:       ops{start("api/migrate", "v1", 0, 2)}},
		{name: "a changed job runs again", wanted: ws{job("api/migrate", "v2")},
			observed: is{instance("j", "api/migrate", "v1", exited(time.Hour, time.Second), succeeded)},
			do:       ops{start("api/migrate", "v2", 0, 2)}},
		{name: "something that is no job is replaced though it ended well", wanted: ws{overlapping("web/app", "v1")},
			observed: is{instance("a", "web/app", "v1", exited(time.Hour, time.Minute), succeeded)},
			do:       ops{start("web/app", "v1", 0, 2)}},

		// Stopped.
		{name: "nothing wanted: all ends, routed or not", observed: is{old, db}, do: ops{stop(db), stop(old)}},
		{name: "nothing wanted: what has ended is removed",
			observed: is{instance("a", "web/app", "v1", exited(0, 0))}, do: ops{remove(instance("a", "web/app", "v1"))}},
		{name: "no replicas wanted is not nothing wanted: a routed instance runs on",
			wanted: ws{replicas(0, overlapping("web/app", "v1"))}, observed: is{old}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Next(test.wanted, test.observed, policy, now)
			want := Decision{Operations: test.do, Again: test.again, Settled: test.settled}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Operation{}, "Reason", "Failures"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decision differs (-want +got):\n%s", diff)
			}
			for _, op := range got.Operations {
				if op.Reason == "" {
					t.Errorf("%s has no reason", op.Action)
				}
			}
		})
	}
}

func TestStartCarriesHowManyRunsDiedYoung(t *testing.T) {
	for _, test := range []struct {
		name string
		last Observed
		want int
	}{
		{"one more after a run that died young", instance("a", "web/app", "v1", failures(2), exited(time.Hour, time.Second)), 3},
		{"none after a run that lived", instance("a", "web/app", "v1", failures(2), exited(time.Hour, time.Hour)), 0},
		{"none after another release's", instance("a", "web/app", "v0", failures(2), exited(time.Hour, time.Second)), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Next([]Wanted{overlapping("web/app", "v1")}, []Observed{test.last}, policy, now)
			i := slices.IndexFunc(d.Operations, func(op Operation) bool { return op.Action == Start })
			if i < 0 {
				t.Fatalf("nothing started: %+v", d)
			}
			if got := d.Operations[i].Failures; got != test.want {
				t.Errorf("failures = %d, want %d", got, test.want)
			}
		})
	}
}
