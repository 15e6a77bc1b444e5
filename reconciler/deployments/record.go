package deployments

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// record writes what changed, and nothing when nothing did: an idle deployment costs no write.
func (l *Loop) record(ctx context.Context, s snapshot, target berth.Release, seen engine.Observation, crashes map[string]int, v verdict, now time.Time) error {
	observed := berth.Observed{Step: seen.Step, Core: seen.Core, Instances: instancesOf(seen.Instances), Crashes: crashes}
	observed.Elements = elementsOf(target, observed.Instances, s.deployment.Desire, s.cloning)
	l.warnOfStorage(s.deployment, observed.Elements)
	seenBefore := s.observed
	seenBefore.At = time.Time{}
	moved := v.state != target.State || (v.hashes != nil && !maps.Equal(v.hashes, target.Hashes))
	if !moved && reflect.DeepEqual(normalise(seenBefore), normalise(observed)) {
		return nil
	}
	observed.At = now
	return l.Store.Update(ctx, func(tx Tx) error {
		if err := tx.PutObserved(s.deployment.ID, observed); err != nil {
			return err
		}
		for _, e := range endings(s, observed.Instances) {
			if err := tx.AppendEvent(e); err != nil {
				return err
			}
		}
		if !moved {
			return nil
		}
		return l.move(tx, s, target.ID, v, now)
	})
}

// normalise makes empty and missing lists equal, as they are once stored.
func normalise(o berth.Observed) berth.Observed {
	if len(o.Elements) == 0 {
		o.Elements = nil
	}
	if len(o.Instances) == 0 {
		o.Instances = nil
	}
	elements := make([]berth.ElementStatus, len(o.Elements))
	for i, e := range o.Elements {
		e.Instances = nil // the same facts as in o.Instances
		elements[i] = e
	}
	o.Elements = elements
	instances := make([]berth.InstanceStatus, len(o.Instances))
	for i, in := range o.Instances {
		in.StartedAt, in.EndedAt = in.StartedAt.UTC().Round(0), in.EndedAt.UTC().Round(0)
		instances[i] = in
	}
	o.Instances = instances
	return o
}

// move writes the release's new state, and supersedes what served or was starting before it.
func (l *Loop) move(tx Tx, s snapshot, target berth.ID, v verdict, now time.Time) error {
	releases, err := tx.Releases(s.deployment.ID, 0)
	if err != nil {
		return err
	}
	older := false // newest first
	for _, r := range releases {
		switch {
		case r.ID == target:
			older = true
			err = l.moveTarget(tx, s, r, v, now)
		case older && v.state == berth.ReleaseServing && (r.State == berth.ReleaseServing || r.State == berth.ReleaseStarting):
			r.State, r.Step = berth.ReleaseSuperseded, ""
			err = tx.UpdateRelease(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Loop) moveTarget(tx Tx, s snapshot, r berth.Release, v verdict, now time.Time) error {
	if r.State == berth.ReleaseSuperseded {
		return nil // a newer release took over meanwhile
	}
	changed := r.State != v.state
	r.State, r.Message, r.Step = v.state, v.message, ""
	if v.hashes != nil {
		r.Hashes = v.hashes
	}
	if changed && v.state == berth.ReleaseServing {
		r.ServingAt = now
	}
	if err := tx.UpdateRelease(r); err != nil || !changed {
		return err
	}
	return tx.AppendEvent(releaseEvent(s.deployment, r))
}

func releaseEvent(d berth.Deployment, r berth.Release) berth.Event {
	e := berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Kind: "release." + string(r.State)}
	switch r.State {
	case berth.ReleaseServing:
		e.Message = fmt.Sprintf("release %d serves", r.Revision)
	case berth.ReleaseFailed:
		why, _, _ := strings.Cut(r.Message, "\n") // what programs wrote stays with the release
		e.Message = fmt.Sprintf("release %d failed: %s", r.Revision, why)
	default:
		e.Message = fmt.Sprintf("release %d is %s", r.Revision, r.State)
	}
	return e
}

// endings tells of wanted instances that ended since the last observation.
func endings(s snapshot, now []berth.InstanceStatus) (events []berth.Event) {
	for _, i := range newlyEnded(s, now) {
		events = append(events, berth.Event{
			Project: s.deployment.ProjectID, Deployment: s.deployment.ID, Slug: s.deployment.Slug, Element: i.Element,
			Kind: "instance.exited", Message: fmt.Sprintf("%s ended (run %d): %s", i.Element, i.Run, sentence(i)),
		})
	}
	return events
}

// newlyEnded are the wanted instances that ended since the last observation, by no wish of a person.
func newlyEnded(s snapshot, now []berth.InstanceStatus) (ended []berth.InstanceStatus) {
	if s.deployment.Desire != berth.DesireRun {
		return nil
	}
	before := map[string]berth.InstanceState{}
	for _, i := range s.observed.Instances {
		before[i.ID] = i.State
	}
	for _, i := range now {
		if i.State == berth.InstanceExited && i.Wanted && !fulfils(i) && before[i.ID] != berth.InstanceExited {
			ended = append(ended, i)
		}
	}
	return ended
}

// steadyRun is how long an instance lives that did not crash: its end begins no series, and ends the one before.
const steadyRun = time.Minute

// countCrashes adds what newly ended to the counts, and forgets hashes that are wanted no more.
func countCrashes(s snapshot, now []berth.InstanceStatus) map[string]int {
	var counts map[string]int
	add := func(hash string, n int) {
		if n == 0 {
			return
		}
		if counts == nil {
			counts = map[string]int{}
		}
		counts[hash] += n
	}
	seen := map[string]bool{}
	for _, i := range now {
		if i.Wanted && !seen[i.Hash] {
			seen[i.Hash] = true
			add(i.Hash, s.observed.Crashes[i.Hash])
		}
	}
	for _, i := range newlyEnded(s, now) {
		if !i.StartedAt.IsZero() && i.EndedAt.Sub(i.StartedAt) >= steadyRun {
			delete(counts, i.Hash)
			continue
		}
		add(i.Hash, 1)
	}
	return counts
}

// fail marks a release that can never run as it is.
func (l *Loop) fail(ctx context.Context, s snapshot, target berth.Release, cause error) error {
	if target.State == berth.ReleaseFailed && target.Message == cause.Error() {
		return nil
	}
	return l.Store.Update(ctx, func(tx Tx) error {
		return l.move(tx, s, target.ID, verdict{state: berth.ReleaseFailed, message: cause.Error()}, l.Now())
	})
}

// noteError shows people why a turn could not go on, without touching what was seen before.
func (l *Loop) noteError(ctx context.Context, s snapshot, cause error) error {
	message := "the engine does not do as asked just now; Berth keeps trying"
	if berth.CodeOf(cause) != berth.EInternal {
		message = berth.MessageOf(cause)
	}
	if s.observed.Error == message {
		return nil
	}
	o := s.observed
	o.Error, o.At = message, l.Now()
	return l.Store.Update(ctx, func(tx Tx) error { return tx.PutObserved(s.deployment.ID, o) })
}
