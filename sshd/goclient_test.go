package sshd_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

func session(t *testing.T, c *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func asExit(err error, exit **ssh.ExitError) bool { return errors.As(err, exit) }

// heard is what a program has written so far.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func (h *heard) await(t *testing.T, part string) {
	t.Helper()
	await(t, part, func() bool { return strings.Contains(h.String(), part) })
}

func pipes(t *testing.T, s *ssh.Session) (io.Writer, *heard) {
	t.Helper()
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &heard{}
	s.Stdout = out
	return in, out
}

// running reports whether a command was begun.
func (p *place) running(command string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.ran {
		if x.Command == command {
			return true
		}
	}
	return false
}
