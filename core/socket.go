package core

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// maxSocketPath is what fits into sockaddr_un (unix(7)), its final zero left out.
	maxSocketPath = 107
	// maxStreams bounds what one deployment can make this server keep open.
	maxStreams  = 1024
	acceptPause = 50 * time.Millisecond
)

// socket is one deployment's door: a listener and the streams that came through it.
type socket struct {
	deployment berth.ID
	path       string
	file       fs.FileInfo // as it was made, to notice that it was taken away
	listener   *net.UnixListener
	slots      chan struct{}
	done       chan struct{}
	running    sync.WaitGroup

	mu      sync.Mutex
	streams map[net.Conn]struct{}
}

// listen replaces the file that an earlier run of the server left.
func listen(deployment berth.ID, path string) (*socket, error) {
	if len(path) > maxSocketPath {
		return nil, berth.Errorf(berth.EInvalid, "the path %s is longer than a socket's may be; choose a shorter data directory", path)
	}
	// Anybody may go in who gets here: the directory is mounted into one container, and above it
	// on the machine nobody but root passes.
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	info, err := makeReachable(path)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &socket{deployment: deployment, path: path, file: info, listener: listener, slots: make(chan struct{}, maxStreams),
		done: make(chan struct{}), streams: map[net.Conn]struct{}{}}, nil
}

// makeReachable lets core connect, which runs as another user.
func makeReachable(path string) (fs.FileInfo, error) {
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, fmt.Errorf("open socket to core: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("look at socket: %w", err)
	}
	return info, nil
}

// isThere reports whether the path still leads to this socket.
func (s *socket) isThere() bool {
	info, err := os.Lstat(s.path)
	return err == nil && os.SameFile(info, s.file)
}

func (s *socket) serve(ports map[int]*streamListener, log *slog.Logger) {
	s.running.Go(func() {
		for {
			select {
			case s.slots <- struct{}{}:
			case <-s.done:
				return
			}
			conn, err := s.listener.Accept()
			if err != nil {
				<-s.slots
				if errors.Is(err, net.ErrClosed) {
					return
				}
				log.Warn("accept stream", "error", err) // out of descriptors: others will end
				s.pause(acceptPause)
				continue
			}
			s.running.Go(func() { s.pass(conn, ports, log) })
		}
	})
}

// pass reads whom a stream is for, and hands it over.
func (s *socket) pass(raw net.Conn, ports map[int]*streamListener, log *slog.Logger) {
	s.track(raw)
	conn, port, err := readHeader(raw)
	if err != nil {
		log.Debug("read stream header", "error", err)
		s.drop(raw)
		return
	}
	conn.deployment, conn.closed = s.deployment, func() { s.drop(raw) }
	listener := ports[port]
	if listener == nil {
		log.Debug("stream for a port that nobody serves", "port", port)
	}
	if listener == nil || !listener.offer(conn, s.done) {
		_ = conn.Close()
	}
}

func (s *socket) track(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		conn.Close() // close came first
		return
	}
	s.streams[conn] = struct{}{}
}

// drop closes a stream and frees its slot; it is called once for each.
func (s *socket) drop(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, conn)
	<-s.slots
}

// close ends the door and all that came through it. Its file goes with it, unless it is another's by now.
func (s *socket) close() {
	s.listener.SetUnlinkOnClose(s.isThere())
	_ = s.listener.Close()
	close(s.done)
	s.mu.Lock()
	for conn := range s.streams {
		_ = conn.Close()
	}
	s.streams = nil
	s.mu.Unlock()
	s.running.Wait()
}

func (s *socket) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.done:
	}
}
