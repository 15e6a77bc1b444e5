package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world is an engine and a proxy as simple as can be, driven by random events. It keeps Next's promises
// by watching every decision, in words of its own.
type world struct {
	wanted   []Wanted
	observed []*Observed
	serving  map[string]string // hash by key that the proxy routes to
	inFlight map[string]bool   // instances out of the table with requests left
	now      time.Time
	made     int
}

// overlaps says which keys may overlap; that is a property of a key, like a chart's strategy.
var overlaps = map[string]bool{"web/app": true, "api/app": true, "api/migrate": false, "db/app": false, "db/main": false, "cache/app": true}

func newWorld() *world {
	return &world{now: now, serving: map[string]string{}, inFlight: map[string]bool{}}
}

// release draws what is wanted from now on.
func (w *world) release(t *rapid.T) {
	w.wanted = nil
	for _, key := range []string{"web/app", "api/app", "api/migrate", "db/app", "db/main", "cache/app"} {
		if !rapid.Bool().Draw(t, "want "+key) {
			continue
		}
		w.wanted = append(w.wanted, Wanted{
			Key:      key,
			Hash:     rapid.SampledFrom([]string{"v1", "v2", "v3", "v4"}).Draw(t, "hash"),
			Replicas: rapid.IntRange(0, 3).Draw(t, "replicas"),
			Overlap:  overlaps[key],
			Tier:     rapid.IntRange(0, 2).Draw(t, "tier"),
			Once:     key == "api/migrate",
		})
	}
}

// bump changes one of the wanted.
func (w *world) bump(t *rapid.T) {
	if len(w.wanted) == 0 {
		t.Skip("nothing is wanted")
	}
	w.wanted = slices.Clone(w.wanted)
	x := &w.wanted[rapid.IntRange(0, len(w.wanted)-1).Draw(t, "which")]
	x.Hash = rapid.SampledFrom([]string{"v1", "v2", "v3", "v4"}).Draw(t, "hash")
}

func (w *world) want(key string) (Wanted, bool) {
	i := slices.IndexFunc(w.wanted, func(x Wanted) bool { return x.Key == key })
	if i < 0 {
		return Wanted{}, false
	}
	return w.wanted[i], true
}

func (w *world) snapshot() []Observed {
	var out []Observed
	for _, o := range w.observed {
		c := *o
		c.Drained = !w.routed(o) && !w.inFlight[o.ID]
		out = append(out, c)
	}
	return out
}

// routed says whether the proxy's table leads to o: ready instances of what serves. Databases and jobs
// are never routed.
func (w *world) routed(o *Observed) bool {
	x, ok := w.want(o.Key)
	surplus := ok && x.Hash == o.Hash && o.Slot >= x.Replicas
	public := o.Key == "web/app" || o.Key == "api/app"
	return public && o.live() && o.Ready && w.serving[o.Key] == o.Hash && !surplus
}

// change does something to instances; what leaves the table by it may have requests in flight yet.
func (w *world) change(t *rapid.T, f func()) {
	before := map[string]bool{}
	for _, o := range w.observed {
		before[o.ID] = w.routed(o)
	}
	f()
	for _, o := range w.observed {
		if before[o.ID] && !w.routed(o) && o.live() {
			w.inFlight[o.ID] = rapid.Bool().Draw(t, "in flight")
		}
	}
}

// swap is what ingress does: when all that is wanted is ready, the whole table changes at once.
func (w *world) swap() {
	if w.satisfied(w.wanted) {
		w.serving = map[string]string{}
		for _, x := range w.wanted {
			w.serving[x.Key] = x.Hash
		}
	}
}

func (w *world) satisfied(ws []Wanted) bool {
	for _, x := range ws {
		for s := range x.Replicas {
			if !slices.ContainsFunc(w.observed, func(o *Observed) bool {
				in := o.Key == x.Key && o.Slot == s && o.Hash == x.Hash
				return in && (o.live() && o.Ready && !x.Once || x.Once && o.State == Exited && o.Success)
			}) {
				return false
			}
		}
	}
	return true
}

func (w *world) pick(t *rapid.T, state State) *Observed {
	var in []*Observed
	for _, o := range w.observed {
		if o.State == state {
			in = append(in, o)
		}
	}
	if len(in) == 0 {
		t.Skip("no instance is " + string(state))
	}
	return rapid.SampledFrom(in).Draw(t, "instance")
}

func (w *world) enter(o *Observed, s State) {
	o.State, o.Since = s, w.now
	switch s {
	case Running:
		o.Started = w.now
	case Exited:
		o.Ready = false
		delete(w.inFlight, o.ID)
	}
}

// decide asks Next, checks what it says and carries out the first n operations: the server may die
// between any two.
func (w *world) decide(t *rapid.T, n int) Decision {
	observed := w.snapshot()
	before := slices.Clone(observed)
	d := Next(w.wanted, observed, policy, w.now)
	if diff := cmp.Diff(before, observed); diff != "" {
		t.Fatalf("Next changed its input:\n%s", diff)
	}
	w.checkDeterministic(t, observed, d)
	w.checkOnce(t, d)
	for i, op := range d.Operations {
		w.check(t, op, observed)
		if i < n {
			w.apply(t, op)
		}
	}
	w.checkSlots(t)
	return d
}

func (w *world) checkDeterministic(t *rapid.T, observed []Observed, d Decision) {
	shuffled := slices.Clone(observed)
	r := rand.New(rand.NewPCG(1, uint64(len(observed))))
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if diff := cmp.Diff(d, Next(w.wanted, shuffled, policy, w.now)); diff != "" {
		t.Fatalf("the order of observed matters:\n%s", diff)
	}
}

func (w *world) checkOnce(t *rapid.T, d Decision) {
	seen := map[string]bool{}
	for _, op := range d.Operations {
		about := op.Instance
		if op.Action == Start {
			about = fmt.Sprint(op.Key, op.Slot)
		}
		if seen[about] {
			t.Fatalf("two operations on %s: %+v", about, d.Operations)
		}
		seen[about] = true
	}
}

func (w *world) check(t *rapid.T, op Operation, observed []Observed) {
	if op.Action == Start {
		w.checkStart(t, op)
		return
	}
	i := slices.IndexFunc(observed, func(o Observed) bool { return o.ID == op.Instance })
	if i < 0 {
		t.Fatalf("%s of an instance that does not exist: %+v", op.Action, op)
	}
	o := observed[i]
	switch {
	case op.Action == Stop && !o.live(), op.Action == Remove && o.State != Exited:
		t.Fatalf("%s of an instance that is %s", op.Action, o.State)
	case op.Action == Stop && !o.Drained && !w.mayStopRouted(o):
		t.Fatalf("stopped %s (%s %s) while it was routed or serving", o.ID, o.Key, o.Hash)
	case op.Action == Stop && !w.mayStopRouted(o) && !w.satisfied(w.wanted) && w.live(o.Key, o.Slot, "") <= drainingGenerations:
		t.Fatalf("stopped %s (%s %s) before its release was replaced by a ready one", o.ID, o.Key, o.Hash)
	case op.Action == Stop && w.isWanted(o) && overlaps[o.Key] && w.live(o.Key, o.Slot, o.Hash) == 1:
		t.Fatalf("stopped the only wanted instance of a slot: %+v", o)
	}
	if x, ok := w.want(o.Key); ok && op.Action == Remove && x.Once && x.Hash == o.Hash && o.Success && o.Slot < x.Replicas {
		t.Fatalf("removed the proof that job %s is done", o.Key)
	}
}

func (w *world) isWanted(o Observed) bool {
	x, ok := w.want(o.Key)
	return ok && x.Hash == o.Hash && o.Slot < x.Replicas
}

// mayStopRouted: when nothing is wanted, for Recreate, and where a Recreate workload of the same element takes over.
func (w *world) mayStopRouted(o Observed) bool {
	x, ok := w.want(o.Key)
	if len(w.wanted) == 0 || ok && !x.Overlap {
		return true
	}
	return !ok && slices.ContainsFunc(w.wanted, func(x Wanted) bool { return element(x.Key) == element(o.Key) && !x.Overlap })
}

func (w *world) checkStart(t *rapid.T, op Operation) {
	x, ok := w.want(op.Key)
	if !ok || op.Hash != x.Hash || op.Slot < 0 || op.Slot >= x.Replicas {
		t.Fatalf("started what nobody wants: %+v", op)
	}
	known := false
	for _, o := range w.observed {
		known = known || o.Key == op.Key
		if o.Key == op.Key && o.Slot == op.Slot && o.Run >= op.Run {
			t.Fatalf("run %d of a slot that had run %d", op.Run, o.Run)
		}
		if o.Key == op.Key && o.live() && !x.Overlap && (o.Slot == op.Slot || o.Hash != op.Hash) {
			t.Fatalf("started %+v beside %+v, which may not overlap", op, *o)
		}
	}
	var lower []Wanted
	for _, y := range w.wanted {
		if y.Tier < x.Tier {
			lower = append(lower, y)
		}
	}
	if !known && !w.satisfied(lower) {
		t.Fatalf("started %s for the first time before the lower tiers were ready", op.Key)
	}
}

func (w *world) live(key string, slot int, hash string) int {
	n := 0
	for _, o := range w.observed {
		if o.live() && o.Key == key && o.Slot == slot && (hash == "" || o.Hash == hash) {
			n++
		}
	}
	return n
}

func (w *world) checkSlots(t *rapid.T) {
	for _, o := range w.observed {
		most := 1
		if overlaps[o.Key] {
			most = 1 + drainingGenerations
		}
		if n := w.live(o.Key, o.Slot, ""); n > most {
			t.Fatalf("%d instances live in slot %d of %s, at most %d may", n, o.Slot, o.Key, most)
		}
		if n := w.live(o.Key, o.Slot, o.Hash); n > 1 {
			t.Fatalf("%d equal instances live in slot %d of %s", n, o.Slot, o.Key)
		}
	}
}

func (w *world) apply(t *rapid.T, op Operation) {
	switch op.Action {
	case Start:
		identity := fmt.Sprint(op.Key, op.Hash, op.Slot, op.Run)
		w.made++
		w.observed = append(w.observed, &Observed{
			ID: fmt.Sprintf("%d-%s-%d", w.made*7%10, identity, w.made), Key: op.Key, Hash: op.Hash, Slot: op.Slot, Run: op.Run,
			State: Preparing, Since: w.now, Failures: op.Failures,
		})
	case Stop:
		w.enter(w.byID(op.Instance), Exited)
	case Remove:
		w.observed = slices.DeleteFunc(w.observed, func(o *Observed) bool { return o.ID == op.Instance })
	default:
		t.Fatalf("unknown action %q", op.Action)
	}
}

func (w *world) byID(id string) *Observed {
	return w.observed[slices.IndexFunc(w.observed, func(o *Observed) bool { return o.ID == id })]
}

// fair is one round in which what was asked for happens and everybody lets go.
func (w *world) fair() {
	w.now = w.now.Add(policy.Max)
	clear(w.inFlight)
	w.allGoesWell()
}

// allGoesWell lets what prepares run, what runs be ready, and jobs end well.
func (w *world) allGoesWell() {
	for _, o := range w.observed {
		x, _ := w.want(o.Key)
		switch {
		case o.State == Preparing:
			w.enter(o, Running)
		case o.State == Running && x.Once && x.Hash == o.Hash:
			w.enter(o, Exited)
			o.Success = true
		case o.State == Running:
			o.Ready = true
		}
	}
	w.swap()
}

// enough rounds for: room in crowded slots, then per tier start → run → ready (a job: end), then swap,
// drain, stop, remove.
const enough = 3 + 3*4 + 6

func TestRolloutsKeepTheirPromisesAndConverge(t *testing.T) { rapid.Check(t, rollOut) }

func FuzzRollouts(f *testing.F) { f.Fuzz(rapid.MakeFuzz(rollOut)) }

// rollOut lets everything happen that can, in any order, and then waits for peace.
func rollOut(t *rapid.T) {
	w := newWorld()
	w.release(t)
	if rapid.Bool().Draw(t, "begin settled") {
		w.converge(t)
		w.swap()
	}
	t.Repeat(map[string]func(*rapid.T){
		"":       func(t *rapid.T) { w.checkSlots(t) },
		"decide": func(t *rapid.T) { w.decide(t, 1000) },
		"decide, dying on the way": func(t *rapid.T) {
			w.decide(t, rapid.IntRange(0, 3).Draw(t, "operations done"))
		},
		"things go well for a while": func(t *rapid.T) {
			for range rapid.IntRange(1, enough).Draw(t, "rounds") {
				w.decide(t, 1000)
				w.fair()
			}
		},
		"new release":             func(t *rapid.T) { w.change(t, func() { w.release(t) }) },
		"new release of one":      func(t *rapid.T) { w.change(t, func() { w.bump(t) }) },
		"new release, then start": func(t *rapid.T) { w.change(t, func() { w.bump(t) }); w.decide(t, 1000) },
		"new release serves while requests linger": func(t *rapid.T) {
			w.change(t, func() { w.bump(t) })
			w.decide(t, 1000)
			w.change(t, w.allGoesWell)
		},
		"begin to run": func(t *rapid.T) {
			o := w.pick(t, Preparing)
			w.enter(o, Running)
		},
		"become ready or not": func(t *rapid.T) {
			o := w.pick(t, Running)
			w.change(t, func() { o.Ready = !o.Ready })
		},
		"exit": func(t *rapid.T) {
			o := w.pick(t, Running)
			w.change(t, func() {
				w.enter(o, Exited)
				o.Success = rapid.Bool().Draw(t, "success")
			})
		},
		"fail to start": func(t *rapid.T) { w.enter(w.pick(t, Preparing), Exited) },
		"vanish": func(t *rapid.T) {
			o := w.pick(t, Exited)
			w.observed = slices.DeleteFunc(w.observed, func(p *Observed) bool { return p == o })
		},
		"swap":  func(t *rapid.T) { w.change(t, w.swap) },
		"drain": func(t *rapid.T) { delete(w.inFlight, w.pick(t, Running).ID) },
		"time passes": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "ms")) * time.Millisecond)
		},
		"reboot": func(t *rapid.T) {
			for _, o := range w.observed {
				if o.live() {
					w.enter(o, Exited)
				}
			}
			w.now = w.now.Add(time.Minute)
		},
	})
	w.converge(t)
}

func (w *world) converge(t *rapid.T) {
	for range enough {
		if w.decide(t, 1000).Settled {
			w.checkSettled(t)
			return
		}
		w.fair()
	}
	t.Fatalf("not settled after %d fair rounds:\nwanted %+v\nobserved %+v\nnext %+v",
		enough, w.wanted, w.snapshot(), w.decide(t, 0))
}

func (w *world) checkSettled(t *rapid.T) {
	if !w.satisfied(w.wanted) {
		t.Fatalf("settled, but not all that is wanted is ready")
	}
	count := 0
	for _, x := range w.wanted {
		count += x.Replicas
	}
	if len(w.observed) != count {
		t.Fatalf("settled with %d instances where %d are wanted: %+v", len(w.observed), count, w.snapshot())
	}
	if d := w.decide(t, 0); len(d.Operations) > 0 || d.Again != 0 {
		t.Fatalf("settled, yet there is more to do: %+v", d)
	}
}

// TestBackoffGrowsWithoutHistory runs an instance that always dies young, with nothing kept but what Next keeps.
func TestBackoffGrowsWithoutHistory(t *testing.T) {
	w := newWorld()
	w.wanted = []Wanted{overlapping("web/app", "v1")}
	var waits []time.Duration
	for range 6 {
		d := Next(w.wanted, w.snapshot(), policy, w.now)
		for _, op := range d.Operations {
			w.apply(nil, op)
		}
		w.enter(w.observed[len(w.observed)-1], Running)
		w.now = w.now.Add(time.Second)
		w.enter(w.observed[len(w.observed)-1], Exited)
		wait := Next(w.wanted, w.snapshot(), policy, w.now).Again
		waits = append(waits, wait)
		w.now = w.now.Add(wait)
	}
	want := []time.Duration{1, 2, 4, 8, 10, 10}
	for i := range want {
		want[i] *= time.Second
	}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("waits differ (-want +got):\n%s", diff)
	}
}
