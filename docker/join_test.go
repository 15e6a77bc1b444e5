//go:build docker

package docker

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
	"github.com/berth-dev/berth/engine"
)

// ask joins an instance and runs a command there.
func (s *stage) ask(t *testing.T, instance, command string) (agentwire.Reply, string) {
	t.Helper()
	conn, err := s.Join(t.Context(), instance)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var reply agentwire.Reply
	if err := errors.Join(agentwire.WriteLine(conn, agentwire.Request{Do: agentwire.Run, Program: &agentwire.Program{Kind: "command", Command: command}}),
		agentwire.ReadLine(conn, &reply)); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for buffer := make([]byte, agentwire.MaxFrame); reply.Error == ""; {
		kind, payload, err := agentwire.ReadFrame(conn, buffer)
		if err != nil {
			t.Fatal(err)
		}
		if kind == agentwire.FrameExit {
			break
		}
		out.Write(payload)
	}
	return reply, out.String()
}

// joinable is a stage whose helper is the real one.
func joinable(t *testing.T) *stage {
	t.Helper()
	m := newMachine(t)
	m.config.AgentPath, m.config.AgentKey = static(t, "../cmd/berth-agent"), berth.NewSecret("the server's key")
	return stageOn(t, m)
}

// TestJoin works in containers of a pod, across a restart of the server, by many at once, and only with the right key.
func TestJoin(t *testing.T) {
	s := joinable(t)
	s.kind = berth.KindDevelopment
	pod := s.sh(serve("8000", "hostname"))
	i := s.running(t, pod)
	s.must(t, i.ID, "until cat /proc/net/tcp* | grep -q :1F40; do sleep 0.1; done")
	var many sync.WaitGroup
	for range 20 {
		many.Go(func() {
			if _, out := s.ask(t, i.ID, "echo $0 in $(hostname)"); !strings.HasPrefix(out, "sh in ") {
				t.Errorf("it says %q", out)
			}
		})
	}
	many.Wait()
	if _, out := s.ask(t, i.ID, "ps -o args | grep -c '^/.berth/agent serve'"); out != "1\n" {
		t.Errorf("%s helpers run", out)
	}
	conn, err := s.Join(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	var reply agentwire.Reply
	if err := errors.Join(agentwire.WriteLine(conn, agentwire.Request{Do: agentwire.Dial, Network: "tcp", Address: "localhost:8000"}), agentwire.ReadLine(conn, &reply)); err != nil || reply.Error != "" {
		t.Fatal(err, reply.Error)
	}
	if got, err := io.ReadAll(conn); !strings.HasPrefix(string(got), "web") {
		t.Errorf("what listens inside says %q, %v", got, err)
	}
	_ = conn.Close()
	other := *s
	other.Engine = s.machine.open(t)
	other.config.AgentKey = berth.NewSecret("another server's key")
	if _, err := other.Join(t.Context(), i.ID); !errors.Is(err, agentwire.ErrStranger) && !errors.Is(err, io.EOF) {
		t.Errorf("with another key: %v", err)
	}
	again := *s
	again.Engine = s.machine.open(t)
	if _, out := again.ask(t, i.ID, "echo again"); out != "again\n" {
		t.Errorf("after a restart of the server: %q", out)
	}
	// A helper that was killed is started again, in the same container.
	s.must(t, i.ID, "kill -9 $(pgrep -f '^/.berth/agent serve'); true")
	if _, out := s.ask(t, i.ID, "echo alive"); out != "alive\n" {
		t.Errorf("after it was killed: %q", out)
	}
	if _, err := s.Join(t.Context(), "absent"); !errors.Is(err, engine.ErrNoInstance) {
		t.Errorf("nowhere: %v", err)
	}
}

// TestJoinWithoutAShell says so where an image has none, and dials all the same.
func TestJoinWithoutAShell(t *testing.T) {
	s := joinable(t)
	pod := s.sh("")
	pod.Containers[0].Image = s.core.Ref // nothing but the helper
	pod.Containers[0].Command = []string{"/berth-agent", "core", "--dir", "/", "--dns", "127.0.0.1:5353"}
	i := s.running(t, pod)
	reply, _ := s.ask(t, i.ID, "true")
	if !strings.Contains(reply.Error, "no shell") {
		t.Errorf("it says %q", reply.Error)
	}
}
