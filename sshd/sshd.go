// Package sshd is the SSH gateway: one server with one set of host keys for every deployment. A connection's
// user name says where it leads, its public key says who it is, and what it asks for happens in a Place.
//
// It must not know who may do what, how programs are run or where repositories are: it asks a Gateway. It runs
// nothing on the machine, and dials and listens nowhere but in a Place.
package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// Gateway is what the SSH server asks of the rest.
type Gateway interface {
	// Identify says whose key this is (SSH wire format); EUnauthenticated for nobody's. It is called again for
	// live connections.
	Identify(ctx context.Context, key []byte) (caller berth.Caller, keyID berth.ID, err error)
	// May is nil where a caller may enter what an SSH user name (slug[.element[.n]]) leads to. EUnauthenticated,
	// EForbidden, ENotFound and EInvalid let nobody in, or any longer. It is asked often, and wakes nothing.
	May(ctx context.Context, caller berth.Caller, user string) error
	// Enter finds where a user name leads, for whoever may. Errors are for who is in.
	Enter(ctx context.Context, caller berth.Caller, user string) (Place, error)
	// Record keeps what happened on a connection that leads to user.
	Record(ctx context.Context, caller berth.Caller, user, kind, message string) error
}

// Place is an instance of a deployment in which a person works.
type Place interface {
	// Run blocks until the program ended and its output was delivered; ctx's end ends it (SIGHUP).
	Run(ctx context.Context, p berth.Process) (berth.Exit, error)
	// Dial connects from inside: "tcp" to host:port, which is resolved inside, or "unix" to a path. The
	// connection has CloseWrite.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Listen listens inside, for "tcp" on loopback, until ctx ends; Addr says what was bound. Accepted connections
	// have CloseWrite and the peer's RemoteAddr.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// ListenAgent listens on a private socket for the person's forwarded SSH agent until ctx ends, and says its
	// path inside.
	ListenAgent(ctx context.Context) (l net.Listener, path string, err error)
}

// Repositories serves the projects' own Git repositories over the two directions of a stream. What it returns is
// for the person.
type Repositories interface {
	Serve(ctx context.Context, caller berth.Caller, service, project, protocol string, in io.Reader, out io.Writer) error
}

// Config is what the server is made of. Durations and counts that are zero have their defaults.
type Config struct {
	Gateway      Gateway
	Repositories Repositories // nil: there are none
	HostKeys     []berth.Secret
	// Subscribe hints, until ctx ends, that somebody may have lost a key or a role. nil: it is asked by the clock alone.
	Subscribe func(ctx context.Context) <-chan berth.ID
	Version   string
	Log       *slog.Logger

	Handshake time.Duration // until a connection has shown a key that may enter
	Login     time.Duration // until it is in
	KeepAlive time.Duration // between two questions whether the client is still there
	Recheck   time.Duration // between two looks whether who is in still may be
	Penalties Penalties
}

const (
	handshakeTime  = 15 * time.Second
	loginTime      = 2 * time.Minute // people type a passphrase and touch their security key
	keepAliveEvery = 20 * time.Second
	keepAliveMiss  = 3
	recheckEvery   = 15 * time.Second
	// recheckGap is the least time between two looks: every commit of the store hints.
	recheckGap = time.Second
	// maxTries is how many keys a client may offer: agents hold many.
	maxTries = 10
	// maxChannels is per connection: JetBrains' IDEs open hundreds.
	maxChannels = 500
	// maxConnections is how many one person may have.
	maxConnections = 64
	// askTime bounds a question to the Gateway, enterTime the way into a place that may have to be woken, openTime
	// what a Place takes to dial or listen.
	askTime   = 10 * time.Second
	enterTime = 90 * time.Second
	openTime  = 15 * time.Second
)

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value   *time.Duration
		usually time.Duration
	}{{&c.Handshake, handshakeTime}, {&c.Login, loginTime}, {&c.KeepAlive, keepAliveEvery}, {&c.Recheck, recheckEvery}} {
		if *d.value == 0 {
			*d.value = d.usually
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server answers SSH connections.
type Server struct {
	Config
	signers []ssh.Signer
	lines   []string // of their public halves
	door    *door

	mu      sync.Mutex
	people  map[berth.ID]int // connections
	recheck map[*connection]struct{}
}

// New makes a server. It opens nothing.
func New(c Config) (*Server, error) {
	s := &Server{Config: c.withDefaults(), people: map[berth.ID]int{}, recheck: map[*connection]struct{}{}}
	s.door = newDoor(c.Penalties, time.Now)
	for _, key := range c.HostKeys {
		signer, err := ssh.ParsePrivateKey([]byte(key.Reveal()))
		if err != nil {
			return nil, errors.New("read host key: it is damaged")
		}
		s.signers = append(s.signers, signer)
		s.lines = append(s.lines, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))))
	}
	if len(s.signers) == 0 {
		return nil, errors.New("serve SSH: there is no host key")
	}
	return s, nil
}

// acceptPause is how long to wait after an error of accept(2) that may pass: too many open files.
const acceptPause = 50 * time.Millisecond

// Serve answers on l until ctx ends, then ends all connections and returns once they are gone. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { s.watch(ctx) })
	running.Go(func() {
		<-ctx.Done()
		_ = l.Close()
	})
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("serve SSH: %w", err)
		case err != nil:
			s.Log.WarnContext(ctx, "accept SSH connection", "error", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		running.Go(func() { s.handle(ctx, conn) })
	}
}

// handle answers one connection until it ends.
func (s *Server) handle(ctx context.Context, raw net.Conn) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer func() { _ = raw.Close() }()
	leave, ok := s.door.enter(raw.RemoteAddr())
	if !ok {
		return
	}
	end := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer end()
	heard := &heard{Conn: raw}
	in, err := s.login(ctx, heard)
	leave(err == nil || !heard.any.Load())
	if err != nil {
		s.Log.DebugContext(ctx, "SSH login failed", "from", raw.RemoteAddr().String(), "error", err)
		return
	}
	in.serve(ctx)
}

// heard is a connection that knows whether its client has said anything: what only looks whether somebody answers is
// no failed login.
type heard struct {
	net.Conn
	any atomic.Bool
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n > 0 {
		h.any.Store(true)
	}
	return n, err
}

// watch has all connections look whether they may go on, when something may have changed and by the clock.
func (s *Server) watch(ctx context.Context) {
	var hints <-chan berth.ID
	if s.Subscribe != nil {
		hints = s.Subscribe(ctx)
	}
	tick := time.NewTicker(s.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				hints = nil
			}
		case <-tick.C:
		}
		s.lookAgain()
		select { // what is hinted at meanwhile waits in the subscription
		case <-ctx.Done():
		case <-time.After(recheckGap):
		}
	}
}

func (s *Server) lookAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.recheck {
		select {
		case c.doubt <- struct{}{}:
		default:
		}
	}
}

// admit counts a person's connection; false: there are too many.
func (s *Server) admit(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.people[c.caller.Person] >= maxConnections {
		return false
	}
	s.people[c.caller.Person]++
	s.recheck[c] = struct{}{}
	return true
}

func (s *Server) dismiss(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.people[c.caller.Person]--; s.people[c.caller.Person] == 0 {
		delete(s.people, c.caller.Person)
	}
	delete(s.recheck, c)
}
