package deployments

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth"
)

// trialEvery is how often a release on trial is looked at when nothing else asks for a turn.
const trialEvery = 2 * time.Second

// trial is what is remembered of a release that has just begun to serve.
type trial struct {
	release berth.ID
	before  tally                // of what served before, in its last minute
	unready map[string]time.Time // since when instances that were ready are not
	off     bool                 // nothing stands by
}

// findGenerations finds what served before the target, while that is on trial, and what may still drain.
func (l *Loop) findGenerations(s *snapshot, heads []berth.Release) {
	if s.deployment.Kind != berth.KindBuild || s.target == nil {
		return
	}
	s.mayDrain = mayDrain(heads, s.target.ID)
	if s.deployment.Desire == berth.DesireRun && l.onTrial(s.target) {
		s.standby = servedBefore(heads, s.target.ID)
	}
}

func (l *Loop) onTrial(target *berth.Release) bool {
	return target != nil && target.State == berth.ReleaseServing && l.Now().Sub(target.ServingAt) < l.Standby
}

// servedBefore is the release that the target took over from: of the older ones the last to begin to serve.
func servedBefore(newestFirst []berth.Release, target berth.ID) *berth.Release {
	at := slices.IndexFunc(newestFirst, func(r berth.Release) bool { return r.ID == target })
	return lastToServe(slices.DeleteFunc(slices.Clone(newestFirst[at+1:]), func(r berth.Release) bool {
		return r.State != berth.ReleaseSuperseded || r.ServingAt.IsZero()
	}))
}

// standingBy are the instances that stand by now.
func (l *Loop) standingBy(s snapshot) map[string]bool {
	if s.standby == nil || l.trialOf(s.deployment.ID, s.target.ID).off {
		return nil
	}
	ids, whole := standing(*s.standby, *s.target, s.observed.Instances)
	if !whole {
		return nil
	}
	return ids
}

// standing are the instances that only the release before has. whole is false when it could not serve again
// at once, because something of it has been replaced in place.
func standing(before, target berth.Release, instances []berth.InstanceStatus) (ids map[string]bool, whole bool) {
	ids = map[string]bool{}
	for key, hash := range before.Hashes {
		if target.Hashes[key] == hash {
			continue
		}
		found := false
		for _, i := range instances {
			if i.Element+"/"+i.Workload == key && i.Hash == hash && i.Ready {
				ids[i.ID], found = true, true
			}
		}
		if !found {
			return nil, false
		}
	}
	return ids, len(ids) > 0
}

// trialOf returns what is remembered of a release's trial; of one that began before the server did, nothing
// but that it goes on.
func (l *Loop) trialOf(deployment, release berth.ID) *trial {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.trials[deployment]; t != nil && t.release == release {
		return t
	}
	t := &trial{release: release, unready: map[string]time.Time{}}
	l.trials[deployment] = t
	return t
}

func (l *Loop) forgetTrial(deployment berth.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.trials, deployment)
}

// beginTrial notes how well what served before has answered, before the proxy forgets it, and says when
// nothing can stand by.
func (l *Loop) beginTrial(ctx context.Context, d berth.Deployment, target berth.Release, instances []berth.InstanceStatus) error {
	if d.Kind != berth.KindBuild || l.Standby == 0 {
		return nil
	}
	t := l.trialOf(d.ID, target.ID)
	older := false
	for _, i := range instances {
		if !i.Wanted && i.Ready {
			older = true
			t.before.add(l.AnsweredLately(i.ID))
		}
	}
	if t.off = older && l.MemoryIsShort(); !t.off {
		return nil
	}
	return l.Store.Update(ctx, func(tx Tx) error {
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Kind: "release.alone",
			Message: fmt.Sprintf("nothing stands by while release %d proves itself: less than a tenth of the machine's memory is available", target.Revision)})
	})
}

// lost decides whether the release before has to serve again, while it can.
func (l *Loop) lost(s snapshot, target berth.Release, instances []berth.InstanceStatus, now time.Time) (v verdict, lost bool) {
	if s.standby == nil {
		if !l.onTrial(&target) {
			l.forgetTrial(s.deployment.ID)
		}
		return verdict{}, false
	}
	t := l.trialOf(s.deployment.ID, target.ID)
	if _, whole := standing(*s.standby, target, instances); t.off || !whole {
		return verdict{}, false
	}
	c := course{ended: newlyEnded(s, instances), instances: changed(*s.standby, target, instances), before: t.before, now: now}
	for _, i := range c.instances {
		c.since.add(l.Answered(i.ID))
	}
	c.unready = t.unready
	return c.judge(target.ServingAt)
}

// changed are the instances that the target has and the release before had not.
func changed(before, target berth.Release, instances []berth.InstanceStatus) (out []berth.InstanceStatus) {
	for _, i := range instances {
		key := i.Element + "/" + i.Workload
		if i.Wanted && target.Hashes[key] == i.Hash && before.Hashes[key] != i.Hash {
			out = append(out, i)
		}
	}
	return out
}

// regain gives the traffic back to the release before: the one that was on trial has failed.
func (l *Loop) regain(ctx context.Context, s snapshot, target berth.Release, v verdict) error {
	l.forgetTrial(s.deployment.ID)
	lines := l.lastLines(ctx, s, v)
	return l.Store.Update(ctx, func(tx Tx) error {
		newest, before, err := bothOf(tx, target.ID, s.standby.ID)
		if err != nil || newest.State != berth.ReleaseServing || before.State != berth.ReleaseSuperseded {
			return err // a newer release took over meanwhile
		}
		newest.State, newest.Step = berth.ReleaseFailed, ""
		newest.Message = fmt.Sprintf("%s; release %d serves again%s", v.message, before.Revision, lines)
		before.State, before.Message = berth.ReleaseServing, ""
		for _, r := range []berth.Release{newest, before} {
			r.Elements = nil
			if err := tx.UpdateRelease(r); err != nil {
				return err
			}
		}
		return tx.AppendEvent(releaseEvent(s.deployment, newest))
	})
}

func bothOf(tx Tx, a, b berth.ID) (first, second berth.Release, err error) {
	if first, err = tx.Release(a); err == nil {
		second, err = tx.Release(b)
	}
	return first, second, err
}
