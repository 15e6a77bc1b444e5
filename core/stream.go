package core

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
)

const (
	maxHeaderLine  = 512
	headerDeadline = 5 * time.Second
)

// stream is a connection that a container made, as if it had reached this server directly.
type stream struct {
	net.Conn
	deployment berth.ID      // whose container it is
	first      *bufio.Reader // holds what arrived together with the header
	remote     net.Addr
	closeOnce  sync.Once
	closed     func() // frees what the stream took
}

func (s *stream) Read(p []byte) (int, error) { return s.first.Read(p) }
func (s *stream) RemoteAddr() net.Addr       { return s.remote }

func (s *stream) Close() error {
	err := s.Conn.Close()
	s.closeOnce.Do(func() {
		if s.closed != nil {
			s.closed()
		}
	})
	return err
}

// CloseWrite passes an end of output on.
func (s *stream) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// readHeader reads the line that core puts before a stream. Its sender is a program in a
// deployment: it may be slow, endless or nonsense.
func readHeader(conn net.Conn) (*stream, int, error) {
	if err := conn.SetReadDeadline(time.Now().Add(headerDeadline)); err != nil {
		return nil, 0, fmt.Errorf("set deadline: %w", err)
	}
	reader := bufio.NewReaderSize(conn, maxHeaderLine)
	line, err := reader.ReadSlice('\n') // ErrBufferFull beyond maxHeaderLine
	if err != nil {
		return nil, 0, fmt.Errorf("read header: %w", err)
	}
	header, err := parseHeader(line)
	if err != nil {
		return nil, 0, err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, 0, fmt.Errorf("clear deadline: %w", err)
	}
	return &stream{Conn: conn, first: reader, remote: remoteOf(header)}, header.Port, nil
}

func parseHeader(line []byte) (agentwire.Header, error) {
	var header agentwire.Header
	if err := json.Unmarshal(line, &header); err != nil {
		return agentwire.Header{}, fmt.Errorf("parse header: %w", err)
	}
	return header, nil
}

// remoteOf is the container's address, as an application sees it in X-Forwarded-For. The port
// is not known, and nothing depends on it.
func remoteOf(header agentwire.Header) net.Addr {
	address, err := netip.ParseAddr(header.Remote)
	if err != nil {
		address = netip.IPv4Unspecified()
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(address.Unmap(), 0))
}

// streamListener is a listener whose connections are handed to it.
type streamListener struct {
	streams   chan net.Conn
	done      chan struct{}
	closeOnce sync.Once
}

func newStreamListener() *streamListener {
	return &streamListener{streams: make(chan net.Conn), done: make(chan struct{})}
}

// offer blocks until the stream is accepted, and reports whether it was before giveUp.
func (l *streamListener) offer(conn net.Conn, giveUp <-chan struct{}) bool {
	select {
	case l.streams <- conn:
		return true
	case <-l.done:
		return false
	case <-giveUp:
		return false
	}
}

func (l *streamListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.streams:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *streamListener) Close() error {
	l.closeOnce.Do(func() { close(l.done) })
	return nil
}

func (l *streamListener) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "core"} }
