package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/moby/moby/api/types/container"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// c makes a container from a word: created, running, ok (exited with 0), a number of the exit code, or
// bad (could not be started). at orders the ends.
func c(word string, at int) containerState {
	s := containerState{Status: container.StateExited, Created: epoch, Finished: epoch.Add(time.Duration(at) * time.Second), Labels: map[string]string{labelContainer: word}}
	switch word {
	case "created":
		s.Status, s.Finished = container.StateCreated, time.Time{}
	case "running":
		s.Status, s.Finished = container.StateRunning, time.Time{}
	case "bad":
		s.Status, s.Finished, s.Error, s.ExitCode = container.StateCreated, time.Time{}, "exec failed", 127
	case "ok":
	default:
		s.ExitCode = number(word)
	}
	return s
}

func podWith(once bool, inits, mains string) *observedPod {
	p := &observedPod{ID: "i", Record: podRecord{Once: once}}
	for i, word := range strings.Fields(inits + " " + mains) {
		p.Containers = append(p.Containers, c(word, i))
	}
	p.Record.Inits, p.Record.Mains = len(strings.Fields(inits)), len(strings.Fields(mains))
	return p
}

func TestProgress(t *testing.T) {
	const preparing, running, exited = berth.InstancePreparing, berth.InstanceRunning, berth.InstanceExited
	for _, test := range []struct {
		inits, mains string
		once         bool
		state        berth.InstanceState
		start        int
		over         bool
		reason       string
	}{
		{"", "created", false, preparing, 0, false, "Starting"},
		{"", "running", false, running, -1, false, "Asked"},
		{"", "running created", false, preparing, 1, false, "Starting"},
		{"created created", "created", false, preparing, 0, false, "Starting"},
		{"running created", "created", false, preparing, -1, false, "Starting"},
		{"ok created", "created", false, preparing, 1, false, "Starting"},
		{"ok ok", "created", false, preparing, 2, false, "Starting"},
		{"ok ok", "running", false, running, -1, false, "Asked"},
		{"ok 4", "created", false, exited, -1, true, "InitFailed"},
		{"bad", "created", false, exited, -1, true, "StartFailed"},
		{"", "bad", false, exited, -1, true, "StartFailed"},
		{"", "running bad", false, running, -1, true, "StartFailed"},
		{"", "3", false, exited, -1, true, "CrashLoop"},
		{"", "ok", false, exited, -1, true, "Exited"},
		{"", "running 5", false, running, -1, true, "CrashLoop"},
		{"", "3 137", false, exited, -1, true, "CrashLoop"},
		{"", "ok", true, exited, -1, true, "Completed"},
		{"", "running", true, running, -1, false, "Working"},
		{"", "ok running", true, running, -1, false, "Working"},
		{"", "ok 2", true, exited, -1, true, "CrashLoop"},
	} {
		t.Run(test.inits+"|"+test.mains, func(t *testing.T) {
			p := podWith(test.once, test.inits, test.mains)
			g := p.progress()
			if g.State != test.state || g.Start != test.start || g.Over != test.over {
				t.Errorf("%+v", g)
			}
			i := p.instance(verdict{Reason: "Asked", Message: "asked"}, false)
			if i.Reason != test.reason || i.Message == "" || i.Ready || i.State != test.state {
				t.Errorf("reason %s, message %q, ready %v, state %s", i.Reason, i.Message, i.Ready, i.State)
			}
			if (i.EndedAt.IsZero()) != (test.state != exited) {
				t.Errorf("ended at %s", i.EndedAt)
			}
		})
	}
}

func TestTheFirstToEndIsToBlame(t *testing.T) {
	p := podWith(false, "", "137 3")
	p.Containers[0].Finished = epoch.Add(time.Minute)
	if i := p.instance(verdict{}, false); i.ExitCode != 3 {
		t.Errorf("code %d: the consequence is told for the cause", i.ExitCode)
	}
}

func TestReadyAndStopping(t *testing.T) {
	p := podWith(false, "", "running")
	ready := verdict{Ready: true, Since: epoch}
	if i := p.instance(ready, false); !i.Ready || !i.ReadyAt.Equal(epoch) || i.Reason != "" {
		t.Errorf("%+v", i)
	}
	if i := p.instance(ready, true); i.Ready || i.Reason != "Stopping" {
		t.Errorf("stopping: %+v", i)
	}
}

func TestOutOfMemory(t *testing.T) {
	p := podWith(false, "", "137")
	p.Containers[0].OOM = true
	if i := p.instance(verdict{}, false); i.Reason != "OutOfMemory" || !strings.Contains(i.Message, "larger size") {
		t.Errorf("%s: %s", i.Reason, i.Message)
	}
	// A process of it was, and it lived on: what ended it later is something else.
	p = podWith(false, "", "1")
	p.Containers[0].OOM = true
	if i := p.instance(verdict{}, false); i.Reason != "CrashLoop" {
		t.Errorf("%s: %s", i.Reason, i.Message)
	}
}

func TestStartMessage(t *testing.T) {
	for text, want := range map[string]string{
		`OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "foo": executable file not found in $PATH: unknown`: `"foo": the image has no such program`,
		`OCI runtime create failed: starting container process caused: exec: "foo": stat foo: no such file or directory: unknown`:                        `"foo": the image has no such program`,
		`OCI runtime create failed: exec: "foo": permission denied: unknown`:                                                                             `may not be executed`,
		`standard_init_linux.go:228: exec user process caused: exec format error`:                                                                        `another kind of processor`,
		`unable to find user nobody: no matching entries in passwd file`:                                                                                 `does not have the user`,
		"something\nquite new: unknown": "cannot start: quite new",
	} {
		if got := startMessage([]string{"foo"}, text); !strings.Contains(got, want) {
			t.Errorf("%q becomes %q, want %q in it", text, got, want)
		}
	}
}
