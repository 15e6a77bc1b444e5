package deployments

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func complete(state berth.ReleaseState) berth.Release {
	return berth.Release{State: state, StartingAt: t0, Elements: []berth.ReleaseElement{{Identifier: "web", Workloads: map[string]int{"app": 1}}}}
}

func TestTheTargetIsTheNewestReleaseThatCanServe(t *testing.T) {
	pending := berth.Release{State: berth.ReleasePending}
	for name, c := range map[string]struct {
		newestFirst []berth.Release
		want        int // index; -1: none
	}{
		"nothing is complete yet":                          {[]berth.Release{pending}, -1},
		"a pending release leaves the serving one alone":   {[]berth.Release{pending, complete(berth.ReleaseServing)}, 1},
		"a starting release is the target":                 {[]berth.Release{complete(berth.ReleaseStarting), complete(berth.ReleaseServing)}, 0},
		"a failed one gives way to the serving one":        {[]berth.Release{complete(berth.ReleaseFailed), complete(berth.ReleaseServing)}, 1},
		"a failed one is tried on when nothing else could": {[]berth.Release{complete(berth.ReleaseFailed)}, 0},
		"the newest failed one is tried on":                {[]berth.Release{complete(berth.ReleaseFailed), complete(berth.ReleaseFailed)}, 0},
		"a release that failed before it was complete":     {[]berth.Release{{State: berth.ReleaseFailed}, complete(berth.ReleaseServing)}, 1},
		"a superseded one never comes back by itself":      {[]berth.Release{pending, complete(berth.ReleaseSuperseded)}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			got := chooseTarget(c.newestFirst)
			switch {
			case c.want < 0 && got != nil:
				t.Errorf("got %v, want none", got.State)
			case c.want >= 0 && got != &c.newestFirst[c.want]:
				t.Errorf("got %v, want index %d", got, c.want)
			}
		})
	}
}

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func wanted(state berth.InstanceState, ready bool, run int) berth.InstanceStatus {
	return berth.InstanceStatus{ID: "i", Element: "web", Workload: "app", Hash: "h", Wanted: true, State: state, Ready: ready, Run: run}
}

func TestARelease(t *testing.T) {
	late := t0.Add(buildPatience + time.Second)
	unprepared := wanted(berth.InstanceExited, false, 1)
	unprepared.Reason = initFailed
	for name, c := range map[string]struct {
		state         berth.ReleaseState
		instances     []berth.InstanceStatus
		crashes       int
		kind          berth.StageKind
		now           time.Time
		serverStarted time.Time
		want          berth.ReleaseState
		message       string
	}{
		"serves when every instance is ready": {berth.ReleaseStarting, []berth.InstanceStatus{wanted(berth.InstanceRunning, true, 1)},
			0, berth.KindBuild, t0, t0, berth.ReleaseServing, ""},
		"is not ready by old instances": {berth.ReleaseStarting, []berth.InstanceStatus{{Element: "web", Workload: "app", Ready: true}},
			0, berth.KindBuild, t0, t0, berth.ReleaseStarting, ""},
		"fails after repeated crashes": {berth.ReleaseStarting, []berth.InstanceStatus{wanted(berth.InstanceExited, false, 9)},
			crashesToFail, berth.KindBuild, t0, t0, berth.ReleaseFailed, "ended 3 times"},
		"fails when what runs before the start fails twice": {berth.ReleaseStarting, []berth.InstanceStatus{unprepared},
			preparationsToFail, berth.KindDevelopment, t0, t0, berth.ReleaseFailed, "ended 2 times"},
		"does not fail when it fails once": {berth.ReleaseStarting, []berth.InstanceStatus{unprepared},
			1, berth.KindDevelopment, t0, t0, berth.ReleaseStarting, ""},
		"does not fail by the first crash": {berth.ReleaseStarting, []berth.InstanceStatus{wanted(berth.InstanceExited, false, 1)},
			1, berth.KindBuild, t0, t0, berth.ReleaseStarting, ""},
		"fails when it is late": {berth.ReleaseStarting, []berth.InstanceStatus{wanted(berth.InstanceRunning, false, 1)},
			0, berth.KindBuild, late, t0, berth.ReleaseFailed, "not ready after 5m0s"},
		"has more patience in development": {berth.ReleaseStarting, []berth.InstanceStatus{wanted(berth.InstanceRunning, false, 1)},
			0, berth.KindDevelopment, late, t0, berth.ReleaseStarting, ""},
		"is not late by the time the server was down": {berth.ReleaseStarting, []berth.InstanceStatus{wanted(berth.InstanceRunning, false, 1)},
			0, berth.KindBuild, late, late.Add(-time.Second), berth.ReleaseStarting, ""},
		"goes on serving when an instance dies": {berth.ReleaseServing, []berth.InstanceStatus{wanted(berth.InstanceExited, false, 9)},
			1, berth.KindBuild, late, t0, berth.ReleaseServing, ""},
		"that failed serves when it becomes ready after all": {berth.ReleaseFailed, []berth.InstanceStatus{wanted(berth.InstanceRunning, true, 9)},
			0, berth.KindBuild, late, t0, berth.ReleaseServing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := complete(c.state)
			r.StartingAt = t0
			v := judge(r, c.instances, map[string]int{"h": c.crashes}, c.kind, c.now, c.serverStarted)
			if v.state != c.want || !strings.Contains(v.message, c.message) {
				t.Errorf("got %s %q, want %s %q", v.state, v.message, c.want, c.message)
			}
			if v.state == berth.ReleaseServing && c.state != berth.ReleaseServing && v.hashes["web/app"] != "h" {
				t.Errorf("hashes %v do not name the serving instances", v.hashes)
			}
		})
	}
}

func TestAnElementsStatusSaysWhatIsTrue(t *testing.T) {
	element := berth.ReleaseElement{Identifier: "web", Kind: berth.KindComponent, Workloads: map[string]int{"app": 1}}
	exited := wanted(berth.InstanceExited, false, 4)
	exited.ExitCode = 3
	wrongPort := wanted(berth.InstanceRunning, false, 1)
	wrongPort.Reason, wrongPort.Message = "WrongPort", "it listens on 8080, and 3000 was declared"
	old := berth.InstanceStatus{ID: "o", Element: "web", Workload: "app", Ready: true}
	for name, c := range map[string]struct {
		instances []berth.InstanceStatus
		stopped   bool
		colour    berth.Colour
		reason    string
		message   string
	}{
		"ready":                  {[]berth.InstanceStatus{wanted(berth.InstanceRunning, true, 1)}, false, berth.Green, "Ready", "ready"},
		"stopped":                {nil, true, berth.Grey, "Stopped", "stopped by a person"},
		"not started":            {nil, false, berth.Yellow, "Waiting", "waits"},
		"crashing":               {[]berth.InstanceStatus{exited}, false, berth.Red, "CrashLoop", "code 3"},
		"on another port":        {[]berth.InstanceStatus{wrongPort}, false, berth.Red, "WrongPort", "8080"},
		"replaced while serving": {[]berth.InstanceStatus{old, wanted(berth.InstanceRunning, false, 1)}, false, berth.Yellow, "RollingOut", "old one serves"},
	} {
		t.Run(name, func(t *testing.T) {
			desire := berth.DesireRun
			if c.stopped {
				desire = berth.DesireStop
			}
			s := statusOf(element, c.instances, desire, false)
			if s.Status != c.colour || s.Reason != c.reason || !strings.Contains(s.Message, c.message) {
				t.Errorf("got %s %s %q", s.Status, s.Reason, s.Message)
			}
		})
	}
}

func TestCrashesAreCountedOncePerInstanceAndForgottenWithTheirHash(t *testing.T) {
	s := snapshot{deployment: berth.Deployment{Desire: berth.DesireRun}}
	first := []berth.InstanceStatus{{ID: "a", Hash: "h", Wanted: true, State: berth.InstanceExited}}
	s.observed = berth.Observed{Instances: first, Crashes: countCrashes(s, first)}
	if got := countCrashes(s, first); got["h"] != 1 {
		t.Errorf("the same end counted %d times", got["h"])
	}
	second := append(first, berth.InstanceStatus{ID: "b", Hash: "h", Wanted: true, State: berth.InstanceExited})
	if got := countCrashes(s, second); got["h"] != 2 {
		t.Errorf("two ends counted as %d", got["h"])
	}
	other := []berth.InstanceStatus{{ID: "c", Hash: "other", Wanted: true, State: berth.InstanceRunning}}
	if got := countCrashes(s, other); len(got) != 0 {
		t.Errorf("counts of a hash that is not wanted stay: %v", got)
	}
	s.deployment.Desire = berth.DesireStop
	if got := countCrashes(s, second); got["h"] != 1 {
		t.Errorf("an end that a person wished for counted: %v", got)
	}
}
