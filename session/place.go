package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
)

// Place is an instance in which a person works: it runs programs, dials and listens there. It lasts as long as the
// instance; who asked for it has to see that the person still may be there.
type Place struct {
	sessions   *Sessions
	deployment berth.Deployment
	instance   berth.InstanceStatus
}

// Place finds the instance that target means: slug[.element[.n]]. It wakes a deployment that sleeps.
func (s *Service) Place(ctx context.Context, target string) (*Place, error) {
	ref, element, _ := strings.Cut(target, ".")
	d, err := s.sessions.Access.MayExec(ctx, s.caller, ref)
	if err != nil {
		return nil, err
	}
	if s.sessions.Joiner == nil {
		return nil, berth.Errorf(berth.EUnsupported, "this server's engine gives nobody a place to work in")
	}
	instance, err := s.choose(ctx, d, element)
	if err != nil {
		return nil, err
	}
	return &Place{sessions: s.sessions, deployment: d, instance: instance}, nil
}

// ask connects to the helper and has it begin one thing.
func (p *Place) ask(ctx context.Context, r agentwire.Request) (conn halfCloser, reply agentwire.Reply, err error) {
	joined, err := p.sessions.Joiner.Join(ctx, p.instance.ID)
	if err != nil {
		return nil, reply, explain(err, p.deployment, p.instance)
	}
	conn, ok := joined.(halfCloser)
	if !ok {
		return nil, reply, errors.Join(errors.New("join instance: the connection has no end for each direction"), joined.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = agentwire.WriteLine(conn, r)
	if err == nil {
		err = agentwire.ReadLine(conn, &reply)
	}
	switch ended := !stop(); {
	case ended:
		return nil, reply, context.Cause(ctx)
	case err != nil:
		_ = conn.Close()
		return nil, reply, berth.Errorf(berth.EUnavailable, "%s of %s does not answer: its container ends, or is out of memory: try again, or restart it with berth restart %s %s (%w)", p.instance.Element, p.deployment.Slug, p.deployment.Slug, p.instance.Element, err)
	case reply.Error != "":
		_ = conn.Close()
		return nil, reply, berth.Errorf(berth.EUnavailable, "in %s: %.300s", p.instance.Element, reply.Error)
	}
	return conn, reply, nil
}

// halfCloser is a connection with an end of its own for each direction.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// Run blocks until the program has ended and its output was delivered. The end of ctx hangs up on it (SIGHUP), and
// Run returns at once.
func (p *Place) Run(ctx context.Context, x berth.Process) (berth.Exit, error) {
	wanted := &agentwire.Program{Kind: string(x.Kind), Command: x.Command, Env: x.Env, AgentSocket: x.AgentSocket}
	if t := x.Terminal; t != nil {
		wanted.Terminal = &agentwire.Terminal{Type: t.Type, Width: t.Size.Width, Height: t.Size.Height, Modes: t.Modes}
	}
	conn, _, err := p.ask(ctx, agentwire.Request{Do: agentwire.Run, Program: wanted})
	if err != nil {
		return berth.Exit{}, err
	}
	defer p.sessions.enter(p.deployment.ID)()
	running, cancel := context.WithCancel(ctx)
	r := &program{conn: conn, in: agentwire.NewFrames(conn), x: x}
	r.hands.Go(func() { r.steer(running) })
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	exit, err := r.deliver()
	stop()
	cancel()
	_ = conn.Close()
	r.hands.Wait()
	if ctx.Err() != nil {
		return berth.Exit{}, context.Cause(ctx)
	}
	return exit, err
}

// program is one program's streams.
type program struct {
	conn  halfCloser
	in    *agentwire.Frames
	x     berth.Process
	hands sync.WaitGroup
}

// feed passes the input on. Its reading goes on until its next byte or end after the program has ended.
func (r *program) feed() {
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.x.Stdin.Read(buffer)
		if n > 0 && r.in.Write(agentwire.FrameInput, buffer[:n]) != nil {
			return
		}
		if err != nil {
			_ = r.in.Write(agentwire.FrameEnd, nil)
			return
		}
	}
}

// steer passes on what is done to the program until ctx ends.
func (r *program) steer(ctx context.Context) {
	if r.x.Stdin == nil {
		_ = r.in.Write(agentwire.FrameEnd, nil)
	} else {
		go r.feed()
	}
	resize, signals := r.x.Resize, r.x.Signals
	for {
		select {
		case size, ok := <-resize:
			if !ok {
				resize = nil
				continue
			}
			_ = r.in.WriteJSON(agentwire.FrameResize, agentwire.Size{Width: size.Width, Height: size.Height})
		case signal, ok := <-signals:
			if !ok {
				signals = nil
				continue
			}
			_ = r.in.Write(agentwire.FrameSignal, []byte(signal))
		case <-ctx.Done():
			return
		}
	}
}

// deliver writes the output until the program has ended.
func (r *program) deliver() (exit berth.Exit, err error) {
	stdout, stderr := orDiscard(r.x.Stdout), orDiscard(r.x.Stderr)
	buffer := make([]byte, agentwire.MaxFrame)
	for {
		kind, payload, err := agentwire.ReadFrame(r.conn, buffer)
		if err != nil {
			return exit, berth.Errorf(berth.EUnavailable, "the container ended, and the program with it (%w)", err)
		}
		switch kind {
		case agentwire.FrameOutput:
			_, err = stdout.Write(payload)
		case agentwire.FrameErrors:
			_, err = stderr.Write(payload)
		case agentwire.FrameExit:
			return exitOf(payload)
		}
		if err != nil {
			return exit, fmt.Errorf("deliver output: %w", err)
		}
	}
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// Dial connects from inside: "tcp" to host:port, resolved inside, or "unix" to a path.
func (p *Place) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "unix" {
		return nil, berth.Errorf(berth.EInvalid, "%q is no network to dial", network)
	}
	conn, _, err := p.ask(ctx, agentwire.Request{Do: agentwire.Dial, Network: network, Address: address})
	if err != nil {
		return nil, err
	}
	return counted{halfCloser: conn, leave: sync.OnceFunc(p.sessions.enter(p.deployment.ID))}, nil
}

// counted is a connection that counts as somebody at work for as long as it is open.
type counted struct {
	halfCloser
	leave func()
}

func (c counted) Close() error {
	defer c.leave()
	return c.halfCloser.Close()
}

// Listen listens inside: "tcp" on loopback, at a port above 1023 or at any free one, or "unix" at a path. It ends
// with ctx too.
func (p *Place) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network != "tcp" && network != "unix" {
		return nil, berth.Errorf(berth.EInvalid, "%q is no network to listen on", network)
	}
	l, _, err := p.listen(ctx, network, address)
	return l, err
}

// ListenAgent listens for a forwarded SSH agent, on a socket that only the user inside can reach.
func (p *Place) ListenAgent(ctx context.Context) (net.Listener, string, error) {
	return p.listen(ctx, "agent", "")
}

func (p *Place) listen(ctx context.Context, network, address string) (net.Listener, string, error) {
	conn, reply, err := p.ask(ctx, agentwire.Request{Do: agentwire.Listen, Network: network, Address: address})
	if err != nil {
		return nil, "", err
	}
	l := &listener{place: p, ctx: ctx, conn: conn, network: network, at: reply.Address}
	l.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return l, reply.Address, nil
}

// listener is one that the helper has.
type listener struct {
	place   *Place
	ctx     context.Context // of whoever listens: a connection is fetched within it
	conn    halfCloser
	stop    func() bool
	network string
	at      string
}

// fetchTime is how long fetching a connection that came may take.
const fetchTime = 10 * time.Second

// Accept returns net.ErrClosed once the listener was closed, or what it listened in has ended.
func (l *listener) Accept() (net.Conn, error) {
	buffer := make([]byte, agentwire.MaxFrame)
	for {
		_, payload, err := agentwire.ReadFrame(l.conn, buffer)
		if err != nil {
			return nil, net.ErrClosed
		}
		if conn, err := l.fetch(payload); err == nil {
			return conn, nil
		}
	}
}

func (l *listener) fetch(payload []byte) (net.Conn, error) {
	arrival, err := arrivalOf(payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, fetchTime)
	defer cancel()
	conn, _, err := l.place.ask(ctx, agentwire.Request{Do: agentwire.Accept, Conn: arrival.Conn})
	if err != nil {
		return nil, err
	}
	return arrived{halfCloser: conn, from: address{l.network, arrival.Remote}}, nil
}

func (l *listener) Close() error {
	l.stop()
	return l.conn.Close()
}

func (l *listener) Addr() net.Addr { return address{l.network, l.at} }

// arrived is a connection that somebody inside made.
type arrived struct {
	halfCloser
	from net.Addr
}

func (a arrived) RemoteAddr() net.Addr { return a.from }

// address is one inside an instance.
type address struct{ network, text string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.text }

func exitOf(payload []byte) (berth.Exit, error) {
	var e agentwire.Exit
	if err := json.Unmarshal(payload, &e); err != nil {
		return berth.Exit{}, fmt.Errorf("read exit: %w", err)
	}
	return berth.Exit{Code: e.Code, Signal: e.Signal, CoreDumped: e.CoreDumped}, nil
}

func arrivalOf(payload []byte) (a agentwire.Arrival, err error) {
	return a, json.Unmarshal(payload, &a)
}
