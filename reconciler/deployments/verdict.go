package deployments

import (
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth"
)

// verdict is what an observation says of the target release.
type verdict struct {
	state   berth.ReleaseState
	message string // why it failed
	culprit string // the instance by which it failed, where it is one
	hashes  map[string]string
}

func verdictOf(state berth.ReleaseState) verdict { return verdict{state: state} }

const (
	// crashesToFail is how many equal instances may end before a starting release has failed.
	crashesToFail = 3
	// preparationsToFail is the same for what runs before the start, like the installation of dependencies: it takes
	// long, and what it lacks at the second time it lacks at the third. A failed release goes on trying.
	preparationsToFail = 2
	initFailed         = "InitFailed" // the reason of an instance of which that failed
	// buildPatience and developmentPatience are how long a release may take to become ready when
	// no element says otherwise. Development installs dependencies within that time.
	buildPatience       = 5 * time.Minute
	developmentPatience = 20 * time.Minute
)

// judge decides whether a release serves, goes on starting, or has failed. A release that serves
// stays so: an instance that dies later is replaced, and that is the deployment's phase, not the
// release's. A failed one that becomes ready after all serves.
func judge(r berth.Release, instances []berth.InstanceStatus, crashes map[string]int, kind berth.StageKind, now, awakeSince time.Time) verdict {
	if ready(r, instances) {
		return verdict{state: berth.ReleaseServing, hashes: hashesOf(instances)}
	}
	if r.State != berth.ReleaseStarting {
		return verdictOf(r.State)
	}
	if v, crashed := crashing(instances, crashes); crashed {
		return v
	}
	if v, overdue := overdue(r, instances, now, awakeSince); overdue {
		return v
	}
	since := r.StartingAt
	if awakeSince.After(since) {
		since = awakeSince
	}
	if limit := patience(r, kind); now.Sub(since) > limit {
		return late(r, instances, limit)
	}
	return verdictOf(berth.ReleaseStarting)
}

// ready reports whether every workload of the release has all its instances ready.
func ready(r berth.Release, instances []berth.InstanceStatus) bool {
	have := map[string]int{}
	for _, i := range instances {
		if i.Wanted && fulfils(i) {
			have[i.Element+"/"+i.Workload]++
		}
	}
	for _, e := range r.Elements {
		for name, n := range e.Workloads {
			if have[e.Identifier+"/"+name] < n {
				return false
			}
		}
	}
	return true
}

// fulfils reports whether an instance is what its workload is there for: ready, or of a job done.
func fulfils(i berth.InstanceStatus) bool {
	return i.Ready || i.Workload == berth.PreDeploy && i.Reason == "Completed"
}

func hashesOf(instances []berth.InstanceStatus) map[string]string {
	hashes := map[string]string{}
	for _, i := range instances {
		if i.Wanted {
			hashes[i.Element+"/"+i.Workload] = i.Hash
		}
	}
	return hashes
}

func failedBy(i berth.InstanceStatus, format string, args ...any) verdict {
	return verdict{state: berth.ReleaseFailed, message: fmt.Sprintf(format, args...), culprit: i.ID}
}

func crashing(instances []berth.InstanceStatus, crashes map[string]int) (v verdict, yes bool) {
	for _, i := range instances {
		if i.Workload == berth.PreDeploy && i.Wanted && i.State == berth.InstanceExited && !fulfils(i) {
			return failedBy(i, "the pre-deploy command of %s failed: %s", i.Element, sentence(i)), true
		}
		limit := crashesToFail
		if i.Reason == initFailed {
			limit = preparationsToFail
		}
		if n := crashes[i.Hash]; i.Wanted && i.State == berth.InstanceExited && !i.Ready && n >= limit {
			return failedBy(i, "%s ended %d times while starting: %s", i.Element, n, sentence(i)), true
		}
	}
	return verdict{}, false
}

// overdue reports whether an instance has had the time that its element's health check gives it. One
// may be older than the release: it was stopped, or is being stopped, when it came to be wanted again.
func overdue(r berth.Release, instances []berth.InstanceStatus, now, awakeSince time.Time) (v verdict, yes bool) {
	for _, e := range r.Elements {
		if e.Health == nil || e.Health.Timeout <= 0 {
			continue
		}
		for _, i := range instances {
			if i.Element != e.Identifier || !i.Wanted || i.Ready || i.State != berth.InstanceRunning {
				continue
			}
			since := slices.MaxFunc([]time.Time{i.StartedAt, r.StartingAt, awakeSince}, time.Time.Compare)
			if now.Sub(since) > e.Health.Timeout {
				return failedBy(i, "%s was not ready %s after its start: %s", e.Identifier, e.Health.Timeout, sentence(i)), true
			}
		}
	}
	return verdict{}, false
}

func patience(r berth.Release, kind berth.StageKind) time.Duration {
	limit := buildPatience
	if kind == berth.KindDevelopment {
		limit = developmentPatience
	}
	for _, e := range r.Elements {
		if e.Health != nil && e.Health.Timeout > limit {
			limit = e.Health.Timeout
		}
	}
	return limit
}

func late(r berth.Release, instances []berth.InstanceStatus, limit time.Duration) verdict {
	for _, e := range r.Elements {
		for name, n := range e.Workloads {
			have, last := 0, berth.InstanceStatus{}
			for _, i := range instances {
				if !i.Wanted || i.Element != e.Identifier || i.Workload != name {
					continue
				}
				if fulfils(i) {
					have++
				} else {
					last = i
				}
			}
			if have < n {
				return failedBy(last, "%s was not ready after %s: %s", e.Identifier, limit, sentence(last))
			}
		}
	}
	return failedBy(berth.InstanceStatus{}, "it was not ready after %s", limit)
}

func sentence(i berth.InstanceStatus) string {
	switch {
	case i.Message != "":
		return i.Message
	case i.State == berth.InstanceExited:
		return fmt.Sprintf("it exited with code %d", i.ExitCode)
	case i.ID == "":
		return "it has not started"
	}
	return "it runs and does not answer yet"
}
