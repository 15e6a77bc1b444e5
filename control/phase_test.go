package control

import (
	"slices"
	"testing"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

func TestPhase(t *testing.T) {
	release := func(revision int, state berth.ReleaseState) *berth.Release {
		r := &berth.Release{ID: berth.ID(rune('a' + revision)), Revision: revision, State: state, Message: "why it failed"}
		if state == berth.ReleaseServing {
			r.Hashes = map[string]string{"web/app": "1", "db/db": "1"}
		}
		return r
	}
	element := func(name string, c berth.Colour, reason string, ready ...bool) berth.ElementStatus {
		e := berth.ElementStatus{Identifier: name, Status: c, Reason: reason, Message: name + " is " + reason}
		for _, r := range ready {
			e.Instances = append(e.Instances, berth.InstanceStatus{Ready: r})
		}
		return e
	}
	seen := func(elements ...berth.ElementStatus) berth.Observed { return berth.Observed{Elements: elements} }
	green, old := element("web", berth.Green, "Ready", true), element("web", berth.Yellow, "RollingOut", true, false)
	db := element("db", berth.Green, "Ready", true)
	one, failed := release(1, berth.ReleaseServing), release(2, berth.ReleaseFailed)

	for _, c := range []struct {
		name    string
		f       facts
		want    berth.Phase
		message string
	}{
		{"deleted while it runs", facts{berth.DesireDelete, one, one, seen(green, db)}, berth.PhaseDeleting, "its containers, network, images and volumes are being removed"},
		{"stopped", facts{berth.DesireStop, one, one, seen(element("web", berth.Grey, "Stopped"))}, berth.PhaseStopped, "stopped by a person: berth start starts it again"},
		{"sleeping", facts{berth.DesireSleep, one, one, seen(element("web", berth.Grey, "Stopped"))}, berth.PhaseSleeping, "the next request, shell or command wakes it"},
		{"being stopped", facts{berth.DesireStop, one, one, berth.Observed{Instances: []berth.InstanceStatus{{State: berth.InstanceRunning}}}}, berth.PhaseStopped, "its containers are being stopped"},
		{"nothing yet", facts{desire: berth.DesireRun}, berth.PhasePending, ""},
		{"preparing", facts{berth.DesireRun, release(1, berth.ReleasePending), nil, berth.Observed{Step: "cloning main"}}, berth.PhasePending, "cloning main"},
		{"building", facts{berth.DesireRun, release(1, berth.ReleaseBuilding), nil, seen()}, berth.PhaseStarting, ""},
		{"starting", facts{berth.DesireRun, release(1, berth.ReleaseStarting), nil, seen(db, element("web", berth.Yellow, "Starting", false))}, berth.PhaseStarting, "web: web is Starting"},
		{"first release crashes", facts{berth.DesireRun, release(1, berth.ReleaseStarting), nil, seen(element("web", berth.Red, "CrashLoop", false))}, berth.PhaseStarting, "web: web is CrashLoop"},
		{"first release failed", facts{berth.DesireRun, failed, nil, seen(db)}, berth.PhaseFailed, "why it failed"},
		{"running", facts{berth.DesireRun, one, one, seen(green, db)}, berth.PhaseRunning, ""},
		{"nothing to run", facts{berth.DesireRun, &berth.Release{ID: "x", State: berth.ReleaseServing}, &berth.Release{ID: "x", State: berth.ReleaseServing}, seen()}, berth.PhaseRunning, ""},
		{"an element without anything to run", facts{berth.DesireRun, one, one, seen(green, element("job", berth.Grey, "NothingToRun"))}, berth.PhaseRunning, ""},
		{"rolling out", facts{berth.DesireRun, release(2, berth.ReleaseStarting), one, seen(old, db)}, berth.PhaseRunning, "release 2 is on its way"},
		{"rolling out a new element", facts{berth.DesireRun, release(2, berth.ReleaseStarting), one, seen(green, db, element("cache", berth.Yellow, "Starting", false))}, berth.PhaseRunning, "release 2 is on its way"},
		{"next release failed", facts{berth.DesireRun, failed, one, seen(green, db)}, berth.PhaseRunning, "release 2 failed, release 1 serves on: why it failed"},
		{"restarted without overlap", facts{berth.DesireRun, release(2, berth.ReleaseStarting), one, seen(db, element("web", berth.Yellow, "Starting", false))}, berth.PhaseStarting, "web: web is Starting"},
		{"one died", facts{berth.DesireRun, one, one, seen(db, element("web", berth.Yellow, "Starting", false))}, berth.PhaseDegraded, "web: web is Starting"},
		{"one crashes", facts{berth.DesireRun, one, one, seen(db, element("web", berth.Red, "CrashLoop", false))}, berth.PhaseDegraded, "web: web is CrashLoop"},
		{"all crash", facts{berth.DesireRun, one, one, seen(element("web", berth.Red, "CrashLoop", false))}, berth.PhaseFailed, "web: web is CrashLoop"},
		{"after a reboot", facts{berth.DesireRun, one, one, seen(element("web", berth.Yellow, "Waiting"))}, berth.PhaseStarting, "web: web is Waiting"},
		{"started again", facts{berth.DesireRun, one, one, seen(element("web", berth.Grey, "Stopped"))}, berth.PhaseStarting, ""},
		{"not looked at yet", facts{berth.DesireRun, one, one, seen()}, berth.PhaseStarting, ""},
		{"the engine does not answer", facts{berth.DesireRun, one, one, berth.Observed{Error: "no engine", Elements: []berth.ElementStatus{element("web", berth.Red, "CrashLoop")}}}, berth.PhaseFailed, "no engine"},
	} {
		phase, message := phaseOf(c.f)
		if phase != c.want || message != c.message {
			t.Errorf("%s: %s %q, want %s %q", c.name, phase, message, c.want, c.message)
		}
	}
}

// TestPhaseProperties holds for every combination: a wish to end wins, running means that nothing that
// serves is missed, and the order of elements does not matter.
func TestPhaseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := []berth.ReleaseState{berth.ReleasePending, berth.ReleaseBuilding, berth.ReleaseStarting, berth.ReleaseServing, berth.ReleaseFailed}
		f := facts{desire: rapid.SampledFrom([]berth.Desire{berth.DesireRun, berth.DesireRun, berth.DesireStop, berth.DesireDelete}).Draw(t, "desire")}
		if rapid.Bool().Draw(t, "any") {
			f.latest = &berth.Release{ID: "latest", State: rapid.SampledFrom(states).Draw(t, "latest")}
		}
		if f.latest != nil && rapid.Bool().Draw(t, "served") {
			f.serving = &berth.Release{ID: "serving", State: berth.ReleaseServing, Hashes: map[string]string{"a/x": "1", "b/x": "1"}}
		}
		for _, name := range []string{"a", "b", "c"}[:rapid.IntRange(0, 3).Draw(t, "elements")] {
			f.seen.Elements = append(f.seen.Elements, berth.ElementStatus{
				Identifier: name, Status: rapid.SampledFrom([]berth.Colour{berth.Green, berth.Yellow, berth.Red, berth.Grey}).Draw(t, "colour"),
				Reason: rapid.SampledFrom([]string{"Ready", "Stopped"}).Draw(t, "reason"), Instances: []berth.InstanceStatus{{Ready: rapid.Bool().Draw(t, "ready")}},
			})
		}
		phase, _ := phaseOf(f)
		reversed := f
		reversed.seen.Elements = slices.Clone(f.seen.Elements)
		slices.Reverse(reversed.seen.Elements)
		if again, _ := phaseOf(reversed); again != phase {
			t.Fatalf("%s depends on the order of elements: %s", phase, again)
		}
		switch {
		case (f.desire == berth.DesireDelete) != (phase == berth.PhaseDeleting), (f.desire == berth.DesireStop) != (phase == berth.PhaseStopped):
			t.Fatalf("%s although a person wants %s", phase, f.desire)
		case phase == berth.PhaseRunning && f.serving == nil, phase == berth.PhaseDegraded && f.serving == nil:
			t.Fatalf("%s although nothing serves", phase)
		}
		if phase == berth.PhaseRunning {
			for _, e := range f.seen.Elements {
				if (e.Identifier == "a" || e.Identifier == "b") && e.Status == berth.Red && !e.Instances[0].Ready {
					t.Fatalf("running although %s is down", e.Identifier)
				}
			}
		}
	})
}
