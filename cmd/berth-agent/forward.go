package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/agentwire"
)

const (
	forwardDialTime = 20 * time.Second
	// waitingConns bounds what a listener took and Berth has not fetched, waitingTime how long one waits.
	waitingConns = 128
	waitingTime  = 10 * time.Second
)

// dialFor connects from inside the container and passes the stream on.
func dialFor(conn *net.UnixConn, r agentwire.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), forwardDialTime)
	defer cancel()
	target, err := dialInside(ctx, r.Network, r.Address)
	if err != nil {
		refuse(conn, err)
		return
	}
	defer func() { _ = target.Close() }()
	if agentwire.WriteLine(conn, agentwire.Reply{Address: target.LocalAddr().String()}) == nil {
		splice(conn, target)
	}
}

func dialInside(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	switch network {
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(host, "localhost") {
			// Development servers listen on one of the two, by their own taste.
			if conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
				return conn, nil
			}
			address = net.JoinHostPort("::1", port)
		}
	case "unix":
	default:
		return nil, fmt.Errorf("%q is no network", network)
	}
	return d.DialContext(ctx, network, address)
}

// listenFor listens inside, tells of each connection and ends with the one that asked.
func (s *serving) listenFor(conn *net.UnixConn, r agentwire.Request) {
	listener, said, err := listenInside(r.Network, r.Address)
	if err != nil {
		refuse(conn, err)
		return
	}
	defer func() { _ = listener.Close() }()
	if agentwire.WriteLine(conn, agentwire.Reply{Address: said}) != nil {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, conn) // ends with it
		_ = listener.Close()
	}()
	out := agentwire.NewFrames(conn)
	for {
		taken, err := listener.Accept()
		if err != nil {
			return
		}
		id := s.keep(taken)
		if id == 0 {
			_ = taken.Close()
			continue
		}
		if out.WriteJSON(agentwire.FrameArrival, agentwire.Arrival{Conn: id, Remote: taken.RemoteAddr().String()}) != nil {
			return
		}
	}
}

// keep holds a connection until Berth fetches it; zero: there are too many.
func (s *serving) keep(conn net.Conn) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= waitingConns {
		return 0
	}
	s.arrivals++
	id := s.arrivals
	s.waiting[id] = conn
	time.AfterFunc(waitingTime, func() {
		if late := s.take(id); late != nil {
			_ = late.Close()
		}
	})
	return id
}

func (s *serving) take(id uint64) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := s.waiting[id]
	delete(s.waiting, id)
	return conn
}

func (s *serving) acceptFor(conn *net.UnixConn, id uint64) {
	taken := s.take(id)
	if taken == nil {
		refuse(conn, errors.New("that connection is gone"))
		return
	}
	defer func() { _ = taken.Close() }()
	if agentwire.WriteLine(conn, agentwire.Reply{}) == nil {
		splice(conn, taken)
	}
}

// listenInside listens for people: on loopback only, at no privileged port, or at a path of the user's.
func listenInside(network, address string) (l net.Listener, said string, err error) {
	switch network {
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, "", err
		}
		if n, err := strconv.Atoi(port); err != nil || n != 0 && n < 1024 {
			return nil, "", fmt.Errorf("port %s is not for forwarding: choose one above 1023, or 0", port)
		}
		loopback := "127.0.0.1"
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil && !ip.IsUnspecified() {
			loopback = "::1"
		}
		if l, err = net.Listen("tcp", net.JoinHostPort(loopback, port)); err != nil {
			return nil, "", err
		}
		return l, l.Addr().String(), nil
	case "unix":
		if !filepath.IsAbs(address) {
			return nil, "", fmt.Errorf("the socket's path %q is not absolute", address)
		}
		l, err = net.Listen("unix", address)
		return l, address, err
	case "agent":
		return listenAgent()
	}
	return nil, "", fmt.Errorf("%q is no network", network)
}

// agentSocket is a listener that takes its directory along when it closes.
type agentSocket struct {
	net.Listener
	dir string
}

func (a agentSocket) Close() error {
	return errors.Join(a.Listener.Close(), os.RemoveAll(a.dir))
}

// listenAgent listens for a forwarded SSH agent in a directory that only this user can enter. Programs are told of a
// link beside the user's keys, which leads to the newest socket: what was started before a person came back finds it.
func listenAgent() (net.Listener, string, error) {
	dir, err := os.MkdirTemp("", "berth-agent-")
	if err != nil {
		return nil, "", fmt.Errorf("make directory for the SSH agent: %w", err)
	}
	socket := filepath.Join(dir, "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, "", errors.Join(err, os.RemoveAll(dir))
	}
	if link, err := linkAgent(socket); err == nil {
		socket = link
	}
	return agentSocket{l, dir}, socket, nil
}

func linkAgent(socket string) (link string, err error) {
	home := homeDir()
	if home == "" {
		return "", errors.New("there is no home")
	}
	dir := filepath.Join(home, ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	link = filepath.Join(dir, "agent.sock")
	fresh := fmt.Sprintf("%s.%d", link, os.Getpid())
	if err := os.Symlink(socket, fresh); err != nil {
		return "", err
	}
	return link, os.Rename(fresh, link)
}
