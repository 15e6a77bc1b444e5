package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// drainingGenerations is how many older instances may stand beside a slot's next start.
const drainingGenerations = 2

// Next decides what to do now. The rules, in words:
//
//   - Every slot of a wanted key has one instance of the wanted hash: its holder. A slot without one gets
//     a start, unless the key is held, once lower tiers are ready, once its backoff is over, and where
//     Overlap is false once everything of an older hash has ended.
//   - An older instance that may overlap is ended only when all that is wanted is ready and no older instance
//     of the deployment is routed any more. The whole generation ends together, because what is never
//     routed (an internal API, a database that vanished from the stack) may still serve what is.
//   - Without Overlap older instances end at once. So does everything when nothing is wanted, and all of a
//     key that is halted.
//   - While a gate is not done, what has run with the wanted hash before is replaced when it ends, and all else
//     stays as it is.
//   - An exited instance is kept until its replacement exists, a finished job for good.
//
// The order of wanted (within a tier) is the order of starts; the order of observed does not matter.
func Next(wanted []Wanted, observed []Observed, b Backoff, now time.Time) Decision {
	t := newTurn(wanted, observed, b, now)
	if len(wanted) == 0 {
		t.stopEverything()
	} else {
		t.stopOlder()
		t.stopHalted()
		t.startMissing()
	}
	t.forgetExited()
	t.out.Settled = len(t.out.Operations) == 0 && t.ready(t.wanted) && len(t.older) == 0
	return t.out
}

// turn is one decision in the making.
type turn struct {
	wanted  []Wanted              // by tier, unique keys
	byKey   map[string]Wanted     // the same
	slots   map[slotID][]Observed // what was observed, oldest run first
	all     []Observed            // the same as one list
	older   []Observed            // live, but no slot's holder
	backoff Backoff
	now     time.Time
	out     Decision
}

type slotID struct {
	key  string
	slot int
}

func newTurn(wanted []Wanted, observed []Observed, b Backoff, now time.Time) *turn {
	t := &turn{
		byKey:   make(map[string]Wanted, len(wanted)),
		slots:   make(map[slotID][]Observed),
		all:     slices.SortedFunc(slices.Values(observed), oldestRunFirst),
		backoff: b,
		now:     now,
	}
	for _, w := range wanted {
		if _, twice := t.byKey[w.Key]; !twice {
			t.byKey[w.Key] = w
			t.wanted = append(t.wanted, w)
		}
	}
	slices.SortStableFunc(t.wanted, func(a, b Wanted) int { return cmp.Compare(a.Tier, b.Tier) })
	for _, o := range t.all {
		id := slotID{o.Key, o.Slot}
		t.slots[id] = append(t.slots[id], o)
	}
	for _, o := range t.all {
		if o.live() && !t.holds(o) {
			t.older = append(t.older, o)
		}
	}
	return t
}

func oldestRunFirst(a, b Observed) int {
	return cmp.Or(
		cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.Slot, b.Slot),
		cmp.Compare(a.Run, b.Run),
		cmp.Compare(a.ID, b.ID),
	)
}

func (o Observed) live() bool { return o.State == Preparing || o.State == Running }

// holder is the live instance of the wanted hash that a slot keeps; should there be several, the one
// that serves before one that is ready before the oldest.
func (t *turn) holder(w Wanted, slot int) (holder Observed, found bool) {
	for _, o := range t.slots[slotID{w.Key, slot}] {
		if o.live() && o.Hash == w.Hash && (!found || serves(o) > serves(holder)) {
			holder, found = o, true
		}
	}
	return holder, found
}

func serves(o Observed) int {
	switch {
	case o.Ready && !o.Drained:
		return 2
	case o.Ready:
		return 1
	}
	return 0
}

// holds reports whether o is its slot's holder.
func (t *turn) holds(o Observed) bool {
	w, ok := t.byKey[o.Key]
	if !ok || o.Slot >= w.Replicas {
		return false
	}
	holder, found := t.holder(w, o.Slot)
	return found && holder.ID == o.ID
}

// done reports whether the slot's job has ended well.
func (t *turn) done(w Wanted, slot int) bool {
	return slices.ContainsFunc(t.slots[slotID{w.Key, slot}], func(o Observed) bool { return finished(w, o) })
}

func finished(w Wanted, o Observed) bool {
	return w.Once && o.State == Exited && o.Success && o.Hash == w.Hash
}

// ready reports whether every slot of ws has what it needs.
func (t *turn) ready(ws []Wanted) bool {
	for _, w := range ws {
		for slot := range w.Replicas {
			holder, found := t.holder(w, slot)
			if ready := found && holder.Ready && !w.Once; !ready && !t.done(w, slot) {
				return false
			}
		}
	}
	return true
}

func (t *turn) stopEverything() {
	for _, o := range t.older {
		t.stop(o, "nothing of the deployment shall run")
	}
}

// stopOlder ends what has had its day.
func (t *turn) stopOlder() {
	var draining []Observed
	for _, o := range t.older {
		if t.endsFirst(o) {
			t.stop(o, "ends before its replacement starts")
		} else {
			draining = append(draining, o)
		}
	}
	routed := func(o Observed) bool { return !o.Drained }
	if t.ready(t.wanted) && !slices.ContainsFunc(draining, routed) {
		for _, o := range draining {
			t.stop(o, t.whyOlder(o))
		}
		return
	}
	t.thinOut(draining)
}

// stopHalted ends the holders of slots that shall stay unfilled.
func (t *turn) stopHalted() {
	for _, o := range t.all {
		if o.live() && t.holds(o) && t.byKey[o.Key].Halted {
			t.stop(o, "halted")
		}
	}
}

// endsFirst reports whether o has to end before its replacement may start: another hash, or a second
// holder, of a key that may not overlap; or what a workload that may not overlap replaces under another name.
func (t *turn) endsFirst(o Observed) bool {
	w, ok := t.byKey[o.Key]
	if !ok {
		return slices.ContainsFunc(t.wanted, func(w Wanted) bool {
			return !w.Held && !t.gated(w) && t.takesOver(w) && element(w.Key) == element(o.Key)
		})
	}
	return w.Halted || !w.Held && !t.gated(w) && !w.Overlap && (o.Hash != w.Hash || o.Slot < w.Replicas)
}

// takesOver reports whether w is a new workload that may not run beside what its element ran under other
// workload names: they may well share a volume.
func (t *turn) takesOver(w Wanted) bool {
	return !w.Overlap && !w.Once && !slices.ContainsFunc(t.all, func(o Observed) bool { return o.Key == w.Key })
}

func element(key string) string {
	before, _, _ := strings.Cut(key, "/")
	return before
}

// thinOut makes room in slots that hold more older generations than may stand beside the next start.
// The newest goes first: it was overtaken before it served, while an older one may be serving still.
func (t *turn) thinOut(draining []Observed) {
	count := make(map[slotID]int)
	for _, o := range draining {
		count[slotID{o.Key, o.Slot}]++
	}
	for _, o := range slices.Backward(draining) {
		id := slotID{o.Key, o.Slot}
		if _, ok := t.byKey[o.Key]; ok && o.Drained && count[id] > drainingGenerations {
			count[id]--
			t.stop(o, "overtaken by a newer release")
		}
	}
}

func (t *turn) whyOlder(o Observed) string {
	w, ok := t.byKey[o.Key]
	switch {
	case !ok:
		return "no longer part of the deployment"
	case o.Hash == w.Hash:
		return "fewer replicas are wanted"
	}
	return "replaced by a new release"
}

// startMissing fills the slots that have no holder.
func (t *turn) startMissing() {
	for i, w := range t.wanted {
		if w.Halted || !t.mayStart(w, i) {
			continue
		}
		for slot := range w.Replicas {
			if _, held := t.holder(w, slot); held || t.done(w, slot) || t.crowded(w, slot) || t.gated(w) && !t.ran(w, slot) {
				continue
			}
			t.startAfterBackoff(w, slot)
		}
	}
}

// mayStart reports whether the i-th of t.wanted may have new instances at all now.
func (t *turn) mayStart(w Wanted, i int) bool {
	if w.Held {
		return false
	}
	lower := t.wanted[:i]
	for len(lower) > 0 && lower[len(lower)-1].Tier == w.Tier {
		lower = lower[:len(lower)-1]
	}
	if !t.startedInThisRun(w.Key) && !t.ready(lower) {
		return false
	}
	return w.Overlap || !slices.ContainsFunc(t.older, func(o Observed) bool {
		sibling := t.takesOver(w) && !t.wants(o.Key) && element(o.Key) == element(w.Key)
		return sibling || o.Key == w.Key && o.Hash != w.Hash
	})
}

// gated reports whether a job that has to be done first is not.
func (t *turn) gated(w Wanted) bool {
	return !w.Gate && slices.ContainsFunc(t.wanted, func(g Wanted) bool {
		return g.Gate && g.Tier <= w.Tier && !t.done(g, 0)
	})
}

// ran reports whether a slot has had an instance of the wanted hash.
func (t *turn) ran(w Wanted, slot int) bool {
	return slices.ContainsFunc(t.slots[slotID{w.Key, slot}], func(o Observed) bool { return o.Hash == w.Hash })
}

func (t *turn) wants(key string) bool {
	_, ok := t.byKey[key]
	return ok
}

// startedInThisRun reports whether key has been started since the oldest instance that lives now. What
// died before that (everything, when the machine was rebooted) begins anew, in the order of tiers;
// what died among the living is replaced without waiting for anybody.
func (t *turn) startedInThisRun(key string) bool {
	var began time.Time
	for _, o := range t.all {
		if o.live() && (began.IsZero() || o.began().Before(began)) {
			began = o.began()
		}
	}
	return slices.ContainsFunc(t.all, func(o Observed) bool {
		diedAmongTheLiving := !began.IsZero() && !o.Since.Before(began)
		return o.Key == key && (o.live() || diedAmongTheLiving)
	})
}

func (o Observed) began() time.Time {
	if o.Started.IsZero() {
		return o.Since
	}
	return o.Started
}

// crowded reports whether a slot holds so many older instances that its next start has to wait.
func (t *turn) crowded(w Wanted, slot int) bool {
	n := 0
	for _, o := range t.older {
		if o.Key == w.Key && o.Slot == slot {
			n++
		}
	}
	return n > drainingGenerations
}

func (t *turn) startAfterBackoff(w Wanted, slot int) {
	op := Operation{Action: Start, Key: w.Key, Hash: w.Hash, Slot: slot, Run: 1, Reason: "starting"}
	for _, o := range t.slots[slotID{w.Key, slot}] {
		op.Run = max(op.Run, o.Run+1)
		op.Reason = "starting in place of an earlier release"
	}
	if last, ok := t.lastExit(w, slot); ok {
		if wait := t.backoff.left(last, t.now); wait > 0 {
			t.again(wait)
			return
		}
		op.Failures = t.backoff.failures(last)
		op.Reason = "restarting after exit"
	}
	t.out.Operations = append(t.out.Operations, op)
}

// lastExit is the newest exited instance of the wanted hash in a slot.
func (t *turn) lastExit(w Wanted, slot int) (last Observed, found bool) {
	for _, o := range t.slots[slotID{w.Key, slot}] {
		if o.State == Exited && o.Hash == w.Hash {
			last, found = o, true
		}
	}
	return last, found
}

// failures is what the successor of o starts with.
func (b Backoff) failures(o Observed) int {
	if b.lived(o) >= b.Steady {
		return 0
	}
	return o.Failures + 1
}

func (b Backoff) lived(o Observed) time.Duration {
	if o.Started.IsZero() {
		return 0
	}
	return o.Since.Sub(o.Started)
}

// left is how long the successor of o has to wait yet.
func (b Backoff) left(o Observed, now time.Time) time.Duration {
	delay := b.Min
	for range max(0, b.failures(o)-1) {
		if delay *= 2; delay >= b.Max {
			break
		}
	}
	delay = min(delay, max(b.Min, b.Max))
	left := delay - now.Sub(o.Since)
	if left > 2*delay {
		return 0 // it ended in the future: the clock was set back, and nobody shall wait for it to come round
	}
	return left
}

// forgetExited removes what is of no use to anybody: not the last word of a slot that waits for its
// replacement, and not the proof that a job is done.
func (t *turn) forgetExited() {
	for _, o := range t.all {
		if o.State != Exited {
			continue
		}
		w, ok := t.byKey[o.Key]
		switch {
		case !ok || o.Slot >= w.Replicas:
			t.remove(o, "no longer part of the deployment")
		case finished(w, o):
		case t.replaced(w, o):
			t.remove(o, "its replacement exists")
		}
	}
}

// replaced reports whether an exited instance's slot has gone on without it. The newest of the slot is
// kept for its logs, the newest of the wanted hash for its backoff.
func (t *turn) replaced(w Wanted, o Observed) bool {
	if _, held := t.holder(w, o.Slot); held || t.done(w, o.Slot) {
		return true
	}
	slot := t.slots[slotID{o.Key, o.Slot}]
	if slot[len(slot)-1].ID == o.ID {
		return false
	}
	last, ok := t.lastExit(w, o.Slot)
	return !ok || last.ID != o.ID
}

func (t *turn) stop(o Observed, why string) { t.act(Stop, o, why) }

func (t *turn) remove(o Observed, why string) { t.act(Remove, o, why) }

func (t *turn) act(a Action, o Observed, why string) {
	t.out.Operations = append(t.out.Operations, Operation{
		Action: a, Key: o.Key, Hash: o.Hash, Slot: o.Slot, Run: o.Run, Instance: o.ID, Reason: why,
	})
}

func (t *turn) again(d time.Duration) {
	if t.out.Again == 0 || d < t.out.Again {
		t.out.Again = d
	}
}
