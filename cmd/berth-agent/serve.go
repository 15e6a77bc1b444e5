package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth/agentwire"
)

const (
	// lingers is how long the helper stays after the last thing that was asked of it.
	lingers = 10 * time.Minute
	// helloTime is how long whoever connects may take to prove who they are and to ask.
	helloTime = 10 * time.Second
	// maxKey bounds what is read of the key.
	maxKey = 64
)

// runServe is the mode "serve": it runs programs, dials and listens for Berth inside this container, as the user that
// started it, until nothing was asked for a while. It says "ready" once it listens, or already does.
func runServe(ctx context.Context, in io.Reader, out io.Writer) error {
	var spec agentwire.Start
	if err := agentwire.ReadLine(in, &spec); err != nil || len(spec.Key) == 0 || len(spec.Key) > maxKey {
		return errors.New("serve needs the container and its key on its input")
	}
	listener, err := net.Listen("unix", agentwire.SocketOf(spec.Container))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if _, err := io.WriteString(out, agentwire.Ready); err != nil {
		return err
	}
	// A signal with a handler is back at its default in every program started here, even if this one was started with
	// it ignored; a hang-up is how programs hear that their person has gone.
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	s := &serving{key: spec.Key, waiting: map[uint64]net.Conn{}, idle: time.NewTimer(lingers)}
	go func() {
		select {
		case <-s.idle.C:
		case <-ctx.Done():
		}
		_ = listener.Close()
	}()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			s.work.Wait()
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		s.enter()
		s.work.Go(func() {
			defer s.leave()
			s.one(conn.(*net.UnixConn))
		})
	}
}

// serving is what the helper has going on.
type serving struct {
	key  []byte
	work sync.WaitGroup

	mu       sync.Mutex
	busy     int
	idle     *time.Timer
	arrivals uint64
	waiting  map[uint64]net.Conn // taken by a listener, and not yet fetched
}

func (s *serving) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
	s.idle.Stop()
}

func (s *serving) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.busy == 0 {
		s.idle.Reset(lingers)
	}
}

// one does what a connection asks for.
func (s *serving) one(conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	var r agentwire.Request
	if agentwire.Welcome(conn, s.key) != nil || agentwire.ReadLine(conn, &r) != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	switch {
	case r.Do == agentwire.Run && r.Program != nil:
		runProgram(conn, *r.Program)
	case r.Do == agentwire.Dial:
		dialFor(conn, r)
	case r.Do == agentwire.Listen:
		s.listenFor(conn, r)
	case r.Do == agentwire.Accept:
		s.acceptFor(conn, r.Conn)
	default:
		refuse(conn, fmt.Errorf("this helper cannot %q: Berth is newer, restart the element", r.Do))
	}
}

func refuse(conn net.Conn, err error) {
	_ = agentwire.WriteLine(conn, agentwire.Reply{Error: err.Error()})
}
