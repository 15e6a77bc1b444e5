package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-dev/berth/agentwire"
)

const (
	maxStreams      = 512 // of one port at once: bounds this process's memory
	socketDialLimit = 5 * time.Second
)

// streamServer passes connections to one port on to Berth's socket.
type streamServer struct {
	port     int
	listener net.Listener
	socket   string
	ctx      context.Context // ends the streams; close cancels it
	cancel   context.CancelFunc
	slots    chan struct{}
	streams  sync.WaitGroup
}

func listenStreams(ctx context.Context, port int, address, socket string) (listening, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &streamServer{port: port, listener: listener, socket: socket, slots: make(chan struct{}, maxStreams)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (s *streamServer) address() net.Addr { return s.listener.Addr() }

func (s *streamServer) close() error {
	s.cancel()
	return s.listener.Close()
}

func (s *streamServer) serve() error {
	defer s.streams.Wait()
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.ctx.Done():
			return nil
		}
		inside, err := s.listener.Accept()
		if err != nil {
			<-s.slots
			if s.ctx.Err() != nil {
				return nil
			}
			if !isTemporary(err) {
				return fmt.Errorf("accept on port %d: %w", s.port, err)
			}
			pause(s.ctx, 50*time.Millisecond)
			continue
		}
		s.streams.Go(func() {
			defer func() { <-s.slots }()
			if err := s.pass(inside); err != nil {
				log.Printf("port %d: %v", s.port, err)
			}
		})
	}
}

// pass carries one stream until both directions have ended. A connection is closed at once when
// Berth does not answer: whoever dialled learns soonest that way.
func (s *streamServer) pass(inside net.Conn) error {
	defer inside.Close()
	dialer := net.Dialer{Timeout: socketDialLimit}
	berth, err := dialer.DialContext(s.ctx, "unix", s.socket)
	if err != nil {
		return fmt.Errorf("reach Berth: %w", err)
	}
	defer berth.Close()
	// Closing both is what ends a copy that waits; the deferred closes then do nothing.
	defer context.AfterFunc(s.ctx, func() { inside.Close(); berth.Close() })()

	header, err := json.Marshal(agentwire.Header{Port: s.port, Remote: hostOf(inside.RemoteAddr())})
	if err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	if _, err := berth.Write(append(header, '\n')); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	splice(inside, berth)
	return nil
}

// splice copies both ways. An end of input on one side becomes an end of output on the other, so
// that half-closed streams work; an error on either ends both.
func splice(a, b net.Conn) {
	var back sync.WaitGroup
	back.Go(func() { copyThenEnd(a, b) })
	copyThenEnd(b, a)
	back.Wait()
}

func copyThenEnd(dst, src net.Conn) {
	_, err := io.Copy(dst, src) // the kernel's splice: no buffer of ours
	if err == nil {
		if half, ok := dst.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			return
		}
	}
	dst.Close()
	src.Close()
}

// hostOf returns the IP address in a, without port, zone and IPv4-in-IPv6 form.
func hostOf(a net.Addr) string {
	address, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	return address.Addr().Unmap().WithZone("").String()
}

func isTemporary(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
