package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// duplex is one end of a forwarded stream: either direction ends by itself.
type duplex interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// halves gives a connection of a Place its CloseWrite.
func halves(c net.Conn) (duplex, error) {
	d, ok := c.(duplex)
	if !ok {
		_ = c.Close()
		return nil, errors.New("forward: the connection has no end of its own for each direction")
	}
	return d, nil
}

// directTCP connects from inside to where the client says (RFC 4254 §7.2). Names are resolved inside.
func (c *connection) directTCP(ctx context.Context, n ssh.NewChannel) {
	var asked struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	if ssh.Unmarshal(n.ExtraData(), &asked) != nil || asked.Host == "" || strings.ContainsAny(asked.Host, "\x00/ ") || asked.Port == 0 || asked.Port > 65535 {
		_ = n.Reject(ssh.ConnectionFailed, "this is no address")
		return
	}
	address := net.JoinHostPort(asked.Host, strconv.Itoa(int(asked.Port)))
	c.direct(ctx, n, "tcp", address)
}

// directStreamLocal connects to a Unix socket inside (OpenSSH's PROTOCOL, §2.4).
func (c *connection) directStreamLocal(ctx context.Context, n ssh.NewChannel) {
	var asked struct {
		Path     string
		Reserved string
		Port     uint32
	}
	if ssh.Unmarshal(n.ExtraData(), &asked) != nil || !isSocketPath(asked.Path) {
		_ = n.Reject(ssh.ConnectionFailed, "this is no path of a socket: it begins with / and has at most 107 bytes")
		return
	}
	c.direct(ctx, n, "unix", asked.Path)
}

func isSocketPath(path string) bool {
	return strings.HasPrefix(path, "/") && len(path) <= 107 && !strings.Contains(path, "\x00")
}

func (c *connection) direct(ctx context.Context, n ssh.NewChannel, network, address string) {
	inside, err := c.dial(ctx, network, address)
	if err != nil {
		_ = n.Reject(ssh.ConnectionFailed, rejection(err))
		return
	}
	defer func() { _ = inside.Close() }()
	channel, requests, err := n.Accept()
	if err != nil {
		return
	}
	c.carry(ctx, channel, requests, inside)
}

// carry passes on what each end says until both have ended or one is gone. A direction that ends leaves the other
// one open: the answer to what was said may still be under way.
func (c *connection) carry(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request, inside duplex) {
	cut := context.AfterFunc(ctx, func() { _ = inside.Close() })
	defer cut()
	said := make(chan struct{})
	c.running.Go(func() {
		ssh.DiscardRequests(requests) // until the channel is closed: then nobody waits for an answer
		<-said
		_ = inside.Close()
	})
	var answered sync.WaitGroup
	answered.Go(func() { pass(channel, inside) })
	pass(inside, channel)
	close(said)
	answered.Wait()
	_ = channel.Close()
	_ = inside.Close()
}

// pass copies one direction. An end is passed on as one; whoever is gone takes both along.
func pass(to, from duplex) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}

func (c *connection) dial(ctx context.Context, network, address string) (duplex, error) {
	place, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.forwarded(ctx, "connects to "+address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	inside, err := place.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return halves(inside)
}

// rejection is what a client is told of a connection that cannot be made: who forwards may know what is the
// matter inside.
func rejection(err error) string {
	var failed *net.OpError
	if berth.CodeOf(err) == berth.EInternal && errors.As(err, &failed) {
		return failed.Err.Error()
	}
	return berth.MessageOf(err)
}

// forwards are the listeners that a client asked for, by what it named them: those of another connection are
// nobody else's business.
type forwards struct {
	*connection

	mu     sync.Mutex
	open   map[string]net.Listener
	closed bool
}

const maxForwards = 100

func newForwards(c *connection) *forwards {
	return &forwards{connection: c, open: map[string]net.Listener{}}
}

// lowPort is where the ports begin that need no privilege.
const lowPort = 1024

// listenTCP listens inside for the client, on loopback whatever it says, as OpenSSH does where nobody allowed
// more (RFC 4254 §7.1).
func (f *forwards) listenTCP(ctx context.Context, payload []byte) (ok bool, answer []byte) {
	var asked struct {
		Host string
		Port uint32
	}
	if ssh.Unmarshal(payload, &asked) != nil || asked.Port > 65535 || asked.Port > 0 && asked.Port < lowPort {
		return false, nil
	}
	inside, ok := loopback(asked.Host)
	if !ok {
		return false, nil
	}
	var port uint32
	ok = f.listen(ctx, "tcp", net.JoinHostPort(inside, strconv.Itoa(int(asked.Port))), func(l net.Listener) (string, func(net.Conn) (string, []byte)) {
		port = portOf(l.Addr())
		return tcpName(asked.Host, port), func(peer net.Conn) (string, []byte) {
			return "forwarded-tcpip", ssh.Marshal(struct {
				Host       string
				Port       uint32
				Origin     string
				OriginPort uint32
			}{asked.Host, port, host(peer.RemoteAddr()), portOf(peer.RemoteAddr())})
		}
	})
	if !ok || asked.Port != 0 {
		return ok, nil
	}
	return true, ssh.Marshal(struct{ Port uint32 }{port})
}

// loopback is the loopback address for a bind address, where it is one or stands for all.
func loopback(bind string) (address string, ok bool) {
	switch bind {
	case "", "*", "0.0.0.0", "localhost", "127.0.0.1":
		return "127.0.0.1", true
	case "::", "::1":
		return "::1", true
	}
	return "", false
}

func tcpName(host string, port uint32) string { return fmt.Sprintf("tcp %s %d", host, port) }

func portOf(a net.Addr) uint32 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return uint32(tcp.Port)
	}
	_, text, _ := net.SplitHostPort(a.String())
	port, _ := strconv.ParseUint(text, 10, 16)
	return uint32(port)
}

func (f *forwards) cancelTCP(payload []byte) bool {
	var asked struct {
		Host string
		Port uint32
	}
	return ssh.Unmarshal(payload, &asked) == nil && f.cancel(tcpName(asked.Host, asked.Port))
}

// listenStreamLocal listens on a Unix socket inside.
func (f *forwards) listenStreamLocal(ctx context.Context, payload []byte) bool {
	var asked struct{ Path string }
	if ssh.Unmarshal(payload, &asked) != nil || !isSocketPath(asked.Path) {
		return false
	}
	return f.listen(ctx, "unix", asked.Path, func(net.Listener) (string, func(net.Conn) (string, []byte)) {
		return "unix " + asked.Path, func(net.Conn) (string, []byte) {
			return "forwarded-streamlocal@openssh.com", ssh.Marshal(struct{ Path, Reserved string }{asked.Path, ""})
		}
	})
}

func (f *forwards) cancelStreamLocal(payload []byte) bool {
	var asked struct{ Path string }
	return ssh.Unmarshal(payload, &asked) == nil && f.cancel("unix "+asked.Path)
}

// listen opens a listener inside. named says what the client calls it, and how its connections are announced.
func (f *forwards) listen(ctx context.Context, network, address string, named func(net.Listener) (name string, announce func(net.Conn) (string, []byte))) bool {
	listening, end := context.WithCancel(ctx)
	l, err := f.listenInside(listening, network, address)
	if err != nil {
		end()
		f.server.Log.DebugContext(ctx, "listen for SSH client", "user", f.conn.User(), "address", address, "error", err)
		return false
	}
	name, announce := named(l)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.open[name] != nil || len(f.open) >= maxForwards {
		_ = l.Close()
		end()
		return false
	}
	f.open[name] = l
	f.running.Go(func() {
		f.accept(ctx, l, announce)
		end()
	})
	return true
}

func (f *forwards) listenInside(ctx context.Context, network, address string) (net.Listener, error) {
	if f.conn.User() == gitUser {
		return nil, berth.Errorf(berth.EUnsupported, "git@ leads to repositories only")
	}
	place, err := f.enter(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.forwarded(ctx, "listens on "+address); err != nil {
		return nil, err
	}
	return opened(ctx, func(ctx context.Context) (net.Listener, error) { return place.Listen(ctx, network, address) })
}

// opened bounds how long something takes to open that lives as long as ctx.
func opened[T any](ctx context.Context, open func(context.Context) (T, error)) (T, error) {
	ctx, end := context.WithCancelCause(ctx)
	late := time.AfterFunc(openTime, func() { end(context.DeadlineExceeded) })
	v, err := open(ctx)
	late.Stop()
	if err != nil {
		end(err)
	}
	return v, err
}

func (f *forwards) cancel(name string) bool {
	f.mu.Lock()
	l := f.open[name]
	delete(f.open, name)
	f.mu.Unlock()
	if l == nil {
		return false
	}
	_ = l.Close()
	return true
}

func (f *forwards) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, l := range f.open {
		_ = l.Close()
	}
}

// accept passes connections to the client until l closes.
func (c *connection) accept(ctx context.Context, l net.Listener, announce func(net.Conn) (string, []byte)) {
	for {
		peer, err := l.Accept()
		if err != nil {
			return
		}
		c.running.Go(func() { c.passOn(ctx, peer, announce) })
	}
}

func (c *connection) passOn(ctx context.Context, peer net.Conn, announce func(net.Conn) (string, []byte)) {
	inside, err := halves(peer)
	if err != nil {
		return
	}
	defer func() { _ = inside.Close() }()
	kind, payload := announce(peer)
	channel, requests, err := c.conn.OpenChannel(kind, payload)
	if err != nil {
		return
	}
	c.carry(ctx, channel, requests, inside)
}

// forwardAgent has programs of one session reach the person's own agent (OpenSSH's PROTOCOL.agent).
func (s *session) forwardAgent(ctx context.Context, place Place) (stop func(), path string, err error) {
	l, err := opened(ctx, func(ctx context.Context) (l net.Listener, err error) {
		l, path, err = place.ListenAgent(ctx)
		return l, err
	})
	if err != nil {
		return nil, "", err
	}
	s.connection.running.Go(func() {
		s.accept(ctx, l, func(net.Conn) (string, []byte) { return "auth-agent@openssh.com", nil })
	})
	return func() { _ = l.Close() }, path, nil
}
