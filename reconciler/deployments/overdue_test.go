package deployments

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestAnElementsOwnTimeoutEndsTheWait(t *testing.T) {
	started := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	release := berth.Release{State: berth.ReleaseStarting, StartingAt: started, Elements: []berth.ReleaseElement{{
		Identifier: "web", Workloads: map[string]int{"app": 1}, Health: &berth.Health{Path: "/health", Timeout: 10 * time.Second},
	}}}
	at := func(seconds int) time.Time { return started.Add(time.Duration(seconds) * time.Second) }
	instance := func(change func(*berth.InstanceStatus)) []berth.InstanceStatus {
		i := berth.InstanceStatus{ID: "i", Element: "web", Workload: "app", State: berth.InstanceRunning, Wanted: true,
			StartedAt: at(60), Message: "/health answers 503"}
		change(&i)
		return []berth.InstanceStatus{i}
	}
	as := func(*berth.InstanceStatus) {}
	for name, test := range map[string]struct {
		instances []berth.InstanceStatus
		now, woke time.Time
		want      berth.ReleaseState
	}{
		"within it, however long it waited for its turn": {instance(as), at(69), started, berth.ReleaseStarting},
		"after it":                        {instance(as), at(71), started, berth.ReleaseFailed},
		"after it, but the server slept":  {instance(as), at(71), at(65), berth.ReleaseStarting},
		"an older one, wanted again":      {instance(func(i *berth.InstanceStatus) { i.StartedAt = at(-99) }), at(9), started, berth.ReleaseStarting},
		"an instance of the old release":  {instance(func(i *berth.InstanceStatus) { i.Wanted = false }), at(71), started, berth.ReleaseStarting},
		"another element's":               {instance(func(i *berth.InstanceStatus) { i.Element = "api" }), at(71), started, berth.ReleaseStarting},
		"one that ended and starts again": {instance(func(i *berth.InstanceStatus) { i.State = berth.InstanceExited }), at(71), started, berth.ReleaseStarting},
		"one that is ready":               {instance(func(i *berth.InstanceStatus) { i.Ready = true }), at(71), started, berth.ReleaseServing},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(release, test.instances, nil, berth.KindBuild, test.now, test.woke)
			if got.state != test.want {
				t.Fatalf("%s, not %s (%s)", got.state, test.want, got.message)
			}
			if got.state == berth.ReleaseFailed && !strings.Contains(got.message, "web was not ready 10s after its start: /health answers 503") {
				t.Errorf("message %q", got.message)
			}
		})
	}
}
