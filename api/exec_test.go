package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
)

func TestExec(t *testing.T) {
	s := newServer(t)
	d, _, _ := s.somebodysProject(t)
	c := s.overSocket(t)

	t.Run("pipes more than any buffer holds", func(t *testing.T) {
		input := make([]byte, 5<<20)
		_, _ = rand.Read(input)
		var out bytes.Buffer
		code, err := c.Exec(t.Context(), d.Slug, berth.Exec{Command: []string{"cat"}, Stdin: bytes.NewReader(input), Stdout: &out})
		if err != nil || code != 0 || !bytes.Equal(out.Bytes(), input) {
			t.Fatalf("code %d, %v, %d of %d bytes came back", code, err, out.Len(), len(input))
		}
	})
	t.Run("exit code and stderr", func(t *testing.T) {
		var out, errs strings.Builder
		code, err := c.Exec(t.Context(), d.Slug, berth.Exec{Element: "web.0", Command: []string{"fail"}, Stdout: &out, Stderr: &errs})
		if err != nil || code != 7 || errs.String() != "no\n" || out.String() != "" {
			t.Fatalf("code %d, %v, stdout %q, stderr %q", code, err, out.String(), errs.String())
		}
	})
	t.Run("terminal size", func(t *testing.T) {
		sizes := make(chan berth.WindowSize, 1)
		sizes <- berth.WindowSize{Width: 120, Height: 40}
		var out strings.Builder
		_, err := c.Exec(t.Context(), d.Slug, berth.Exec{Command: []string{"size"}, TTY: true, Width: 80, Height: 24, Stdout: &out, Resize: sizes})
		if err != nil || out.String() != "120x40" {
			t.Fatalf("%q, %v", out.String(), err)
		}
		s.shell.mu.Lock()
		defer s.shell.mu.Unlock()
		if x := s.shell.last; !x.TTY || x.Width != 80 || x.Height != 24 || x.Instance != "i-web" {
			t.Fatalf("the engine was asked %+v", x)
		}
	})
	t.Run("errors keep their code", func(t *testing.T) {
		for command, want := range map[string]berth.Code{"gone": berth.EUnavailable} {
			if _, err := c.Exec(t.Context(), d.Slug, berth.Exec{Command: []string{command}}); berth.CodeOf(err) != want {
				t.Errorf("%s: %v, want %s", command, err, want)
			}
		}
		if _, err := c.Exec(t.Context(), d.Slug, berth.Exec{}); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("no command: %v", err)
		}
		if _, err := c.Exec(t.Context(), d.Slug, berth.Exec{Element: "absent", Command: []string{"cat"}}); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("absent element: %v", err)
		}
		if _, err := c.Exec(t.Context(), "absent", berth.Exec{Command: []string{"cat"}}); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("absent deployment: %v", err)
		}
	})
	t.Run("a client that goes ends the command, also with input waiting", func(t *testing.T) {
		execThatLeaves(t, s, c, d)
	})
}

func execThatLeaves(t *testing.T, s *server, c *client.Client, d berth.Deployment) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	out := &notice{first: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(ctx, d.Slug, berth.Exec{Command: []string{"wait"}, Stdin: io.LimitReader(rand.Reader, 4<<20), Stdout: out})
		done <- err
	}()
	<-out.first
	if n := s.streams.Active(d.ID); n != 1 {
		t.Errorf("%d people are at work, want 1", n)
	}
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("exec ended with %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); s.streams.Active(d.ID) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("the command runs on after its client left")
		}
		time.Sleep(time.Millisecond)
	}
}

// notice tells of the first write.
type notice struct{ first chan struct{} }

func (n *notice) Write(p []byte) (int, error) {
	select {
	case <-n.first:
	default:
		close(n.first)
	}
	return len(p), nil
}

func TestEventStream(t *testing.T) {
	s := newServer(t)
	d, _, _ := s.somebodysProject(t)
	token := s.ownerToken(t)
	path := "/api/v1/deployments/" + d.Slug + "/events"
	got := s.do(t, request{method: "GET", path: path}, token)
	if got.header.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(string(got.body), "id: ") || !strings.Contains(string(got.body), "deployment.created") {
		t.Fatalf("events: %s", got.body)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(string(got.body), "id: "), "\n")
	again := request{method: "GET", path: path}
	got = s.do(t, again, token, func(r *http.Request) { r.Header.Set("Last-Event-ID", id) })
	if len(got.body) != 0 {
		t.Fatalf("after %s there is still %s", id, got.body)
	}
	for _, bad := range []string{"?after=x", "?limit=-1", "?follow=maybe"} {
		if got := s.do(t, request{method: "GET", path: path + bad}, token); got.status != 422 {
			t.Errorf("%s: %d, want 422", bad, got.status)
		}
	}
}
