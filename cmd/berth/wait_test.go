package main

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// story is a release on its way: what a waiting command sees, step by step.
func story(last berth.ReleaseState) []berth.Deployment {
	at := func(state berth.ReleaseState, step string, elements ...berth.ElementStatus) berth.Deployment {
		return berth.Deployment{Slug: "web-shop", Phase: berth.PhaseStarting, Elements: elements, Hosts: shop().Hosts,
			Releases: []berth.Release{{Revision: 1, State: state, Step: step, Message: "web was not ready"}}}
	}
	web := func(message string) berth.ElementStatus {
		return berth.ElementStatus{Identifier: "web", Message: message}
	}
	return []berth.Deployment{
		at(berth.ReleasePending, ""), at(berth.ReleasePending, "cloning main"), at(berth.ReleaseBuilding, "building web"),
		at(berth.ReleaseBuilding, "building web"), at(berth.ReleaseStarting, "", web("waits for postgres")), at(last, "", web("ready")),
	}
}

func TestWaitPrintsEachStepOnce(t *testing.T) {
	c := newCLI(t)
	c.service.views = story(berth.ReleaseServing)
	began := noon
	c.now = func() time.Time { began = began.Add(500 * time.Millisecond); return began }
	c.golden(t, "wait", "create", "shop", "--name", "web", "--stage", "production", "--wait")
}

func TestWaitExitCodes(t *testing.T) {
	create := []string{"create", "shop", "--name", "web", "--stage", "production", "--wait"}
	c := newCLI(t)
	c.service.views = story(berth.ReleaseFailed)
	if code := c.do(t, create...); code != exitFailed || !strings.Contains(c.err.String(), "release 1 failed: web was not ready") {
		t.Errorf("failed: exit %d: %s", code, c.err)
	}
	c.service.views = story(berth.ReleaseStarting)
	if code := c.do(t, append(create, "--timeout", "50ms")...); code != exitTimeout {
		t.Errorf("never ready: exit %d: %s", code, c.err)
	}
	c.service.views = story(berth.ReleaseSuperseded)
	if code := c.do(t, create...); code != exitFailed || !strings.Contains(c.err.String(), "overtaken") {
		t.Errorf("overtaken: exit %d: %s", code, c.err)
	}
	c.service.views = story(berth.ReleaseServing)
	c.service.views = append(c.service.views[:1:1], c.service.views[5])
	c.service.errs = nil
	if code := c.do(t, create...); code != 0 {
		t.Errorf("serving: exit %d: %s", code, c.err)
	}
}

// TestWaitOutlivesARestartOfTheServer: a server that is away for a moment is waited for, one that says no is believed.
func TestWaitOutlivesARestartOfTheServer(t *testing.T) {
	c := newCLI(t)
	running := shop()
	running.Phase = berth.PhaseRunning
	c.service.views = []berth.Deployment{running}
	c.service.errs = []error{berth.Errorf(berth.EUnavailable, "away"), berth.Errorf(berth.EUnavailable, "away")}
	if code := c.do(t, "wait", "web", "--for", "running"); code != 0 {
		t.Errorf("exit %d: %s", code, c.err)
	}
	c.service.errs = []error{berth.Errorf(berth.ENotFound, "there is no deployment web")}
	c.mustFail(t, exitFailed, "there is no deployment web", "wait", "web", "--for", "running")
}

func TestWaitForPhase(t *testing.T) {
	c := newCLI(t)
	c.mustFail(t, exitFailed, `there is no phase "happy"`, "wait", "web", "--for", "happy")
	failed := shop()
	failed.Phase = berth.PhaseFailed
	c.service.views = []berth.Deployment{failed}
	c.mustFail(t, exitFailed, "web-shop is failed", "wait", "web", "--for", "running", "--timeout", "1m")
	if code := c.do(t, "wait", "web", "--for", "failed"); code != 0 {
		t.Errorf("waiting for failed: exit %d: %s", code, c.err)
	}
	if code := c.do(t, "wait", "web", "--for", "stopped", "--timeout", "20ms"); code != exitTimeout {
		t.Errorf("waiting for what does not come: exit %d: %s", code, c.err)
	}
	gone := berth.Errorf(berth.ENotFound, "gone")
	c.service.errs = []error{gone}
	if code := c.do(t, "wait", "web", "--for", "deleted"); code != 0 {
		t.Errorf("waiting for nothing: exit %d: %s", code, c.err)
	}
}

func TestDeleteAsks(t *testing.T) {
	c := newCLI(t)
	c.mustFail(t, exitFailed, "say --yes", "delete", "web")
	c.terminal.in = true
	c.in = strings.NewReader("web\n")
	c.mustFail(t, exitFailed, "nothing was deleted", "delete", "web")
	if len(c.service.deleted) != 0 {
		t.Fatal("it was deleted")
	}
	c.in = strings.NewReader("web-shop\n")
	if code := c.do(t, "delete", "web"); code != 0 || len(c.service.deleted) != 1 || c.service.deleted[0] != "web-shop" {
		t.Errorf("exit %d, deleted %v: %s", code, c.service.deleted, c.err)
	}
	if code := c.do(t, "delete", "web", "--yes"); code != 0 || len(c.service.deleted) != 2 {
		t.Errorf("exit %d, deleted %v: %s", code, c.service.deleted, c.err)
	}
}
