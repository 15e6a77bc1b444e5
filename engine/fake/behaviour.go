package fake

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Container is what a script may look at to decide what a container does.
type Container struct {
	Name    string
	Image   string
	Command []string // command and arguments
	Env     map[string]string
	Init    bool
}

// Behaviour is what a container does: a script over the time since it was started.
// The zero Behaviour is ready at once and runs for ever (an init container: ends well at once).
type Behaviour struct {
	// Missing says that the image exists nowhere.
	Missing bool
	// PrepareFor is how long it takes until the program runs (an image that is slow to unpack).
	PrepareFor time.Duration
	// ReadyAfter is how long it takes from there until probes succeed.
	ReadyAfter time.Duration
	NeverReady bool
	// Ports are those it listens on once ReadyAfter has passed; nil: whatever it declares.
	Ports []int
	// Exits says that it ends by itself, ExitAfter it began to run, with ExitCode.
	Exits     bool
	ExitAfter time.Duration
	ExitCode  int
	// StopFor is how long it takes to end when asked to.
	StopFor time.Duration
	// Output is what it prints when it begins to run, line by line.
	Output []string
	// Dial connects to one of its ports; nil: refused. See HTTP.
	Dial func(ctx context.Context, port int) (net.Conn, error)
}

// HTTP returns a Dial that has each connection served by h.
func HTTP(h http.Handler) func(ctx context.Context, port int) (net.Conn, error) {
	return func(context.Context, int) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { // ends when either side closes the connection
			s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
			_ = s.Serve(&oneConn{conn: server, closed: make(chan struct{})})
		}()
		return client, nil
	}
}

// oneConn is a listener that accepts one connection and ends with it.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return &closingConn{Conn: c, l: l}, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "fake" }

type closingConn struct {
	net.Conn
	l *oneConn
}

func (c *closingConn) Close() error {
	_ = c.l.Close()
	return c.Conn.Close()
}
