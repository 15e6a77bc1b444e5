package sshd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// connection is somebody who is in.
type connection struct {
	entry
	server   *Server
	conn     *ssh.ServerConn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	began    time.Time

	doubt    chan struct{} // holds one: whoever is in may no longer be
	running  sync.WaitGroup
	open     atomic.Int32 // channels
	noMore   atomic.Bool  // sessions
	forwards *forwards
	trail    trail
}

func newConnection(s *Server, conn *ssh.ServerConn, in entry, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) *connection {
	c := &connection{entry: in, server: s, conn: conn, channels: channels, requests: requests, began: time.Now(), doubt: make(chan struct{}, 1)}
	c.forwards = newForwards(c)
	return c
}

// serve answers what the client asks for until it leaves, is told to, or ctx ends.
func (c *connection) serve(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	if !c.server.admit(c) {
		c.server.Log.InfoContext(ctx, "SSH connection refused: too many of one person", "person", c.caller.Name)
		stop()
		_ = c.conn.Close()
		c.drain()
		return
	}
	c.connected(ctx)
	c.running.Go(func() { c.answerRequests(ctx) })
	c.running.Go(func() { c.keepAlive(ctx) })
	c.running.Go(func() { c.recheck(ctx) })
	c.running.Go(func() {
		<-ctx.Done()
		_ = c.conn.Close()
	})
	c.showHostKeys()
	for n := range c.channels {
		c.dispatch(ctx, n)
	}
	stop()
	c.forwards.close()
	c.running.Wait()
	c.server.dismiss(c)
	c.disconnected(context.WithoutCancel(ctx))
}

// drain refuses what comes from a client that is being sent away.
func (c *connection) drain() {
	c.running.Go(func() { ssh.DiscardRequests(c.requests) })
	for n := range c.channels {
		_ = n.Reject(ssh.ResourceShortage, "too many connections")
	}
	c.running.Wait()
}

// dispatch has a channel that the client opens answered.
func (c *connection) dispatch(ctx context.Context, n ssh.NewChannel) {
	var serve func(context.Context, ssh.NewChannel)
	switch n.ChannelType() {
	case "session":
		serve = c.session
	case "direct-tcpip":
		serve = c.directTCP
	case "direct-streamlocal@openssh.com":
		serve = c.directStreamLocal
	}
	switch {
	case serve == nil:
		_ = n.Reject(ssh.UnknownChannelType, "this server does not know "+n.ChannelType())
	case n.ChannelType() == "session" && c.noMore.Load():
		_ = n.Reject(ssh.Prohibited, "the client asked for no more sessions")
	case c.conn.User() == gitUser && n.ChannelType() != "session":
		_ = n.Reject(ssh.Prohibited, "git@ leads to repositories only")
	case c.open.Load() >= maxChannels:
		_ = n.Reject(ssh.ResourceShortage, fmt.Sprintf("%d channels are the most that one connection may have", maxChannels))
	default:
		c.open.Add(1)
		c.running.Go(func() {
			defer c.open.Add(-1)
			serve(ctx, n)
		})
	}
}

// enter finds the place anew: instances come and go while a connection lives.
func (c *connection) enter(ctx context.Context) (Place, error) {
	ctx, cancel := context.WithTimeout(ctx, enterTime)
	defer cancel()
	return c.server.Gateway.Enter(ctx, c.caller, c.conn.User())
}

// answerRequests answers what is asked of the connection as a whole, each once and in order (RFC 4254 §4).
func (c *connection) answerRequests(ctx context.Context) {
	for r := range c.requests {
		ok, answer := c.answerRequest(ctx, r)
		if r.WantReply {
			_ = r.Reply(ok, answer)
		}
	}
}

func (c *connection) answerRequest(ctx context.Context, r *ssh.Request) (ok bool, answer []byte) {
	switch r.Type {
	case "keepalive@openssh.com":
		return true, nil
	case "no-more-sessions@openssh.com":
		c.noMore.Store(true)
		return true, nil
	case "hostkeys-prove-00@openssh.com":
		return c.proveHostKeys(r.Payload)
	case "tcpip-forward":
		return c.forwards.listenTCP(ctx, r.Payload)
	case "cancel-tcpip-forward":
		return c.forwards.cancelTCP(r.Payload), nil
	case "streamlocal-forward@openssh.com":
		return c.forwards.listenStreamLocal(ctx, r.Payload), nil
	case "cancel-streamlocal-forward@openssh.com":
		return c.forwards.cancelStreamLocal(r.Payload), nil
	}
	return false, nil
}

// keepAlive ends the connection of a client that is gone without a word.
func (c *connection) keepAlive(ctx context.Context) {
	tick := time.NewTicker(c.server.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		gone := time.AfterFunc(keepAliveMiss*c.server.KeepAlive, func() { _ = c.conn.Close() })
		_, _, err := c.conn.SendRequest("keepalive@openssh.com", true, nil) // any answer is one
		gone.Stop()
		if err != nil {
			return
		}
	}
}

// recheck ends the connection once its key, its person or their role is gone.
func (c *connection) recheck(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.doubt:
		}
		e, err := c.server.authorise(ctx, c.key, c.conn.User())
		if err == nil && e.caller.Person == c.caller.Person && e.keyID == c.keyID {
			continue
		}
		if err != nil && !isOut(err) {
			continue // it is not known: the next look will tell
		}
		c.trail.cut.Store(true)
		_ = c.conn.Close()
		return
	}
}

// trail is what is remembered of a connection for the audit log.
type trail struct {
	mu       sync.Mutex
	seen     map[string]bool
	commands int
	streams  int
	cut      atomic.Bool // ended by us
}

// first reports whether something is noted for the first time: the log names each program and each target once,
// and counts them.
func (t *trail) first(count *int, what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	*count++
	if t.seen[what] || len(t.seen) >= maxNoted {
		return false
	}
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	t.seen[what] = true
	return true
}

// maxNoted bounds what one connection writes into the log.
const maxNoted = 200

func (c *connection) record(ctx context.Context, kind, message string) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return c.server.Gateway.Record(ctx, c.caller, c.conn.User(), kind, message)
}

func (c *connection) connected(ctx context.Context) {
	message := fmt.Sprintf("%s came by SSH from %s with the key %s", c.caller.Name, host(c.conn.RemoteAddr()), ssh.FingerprintSHA256(c.key))
	if err := c.record(ctx, "ssh.connected", message); err != nil {
		c.server.Log.WarnContext(ctx, "record SSH connection", "error", err)
	}
}

func (c *connection) disconnected(ctx context.Context) {
	c.trail.mu.Lock()
	commands, streams := c.trail.commands, c.trail.streams
	c.trail.mu.Unlock()
	did := "left"
	if c.trail.cut.Load() {
		did = "was let out, because the key or the role is gone,"
	}
	message := fmt.Sprintf("%s %s after %s: %s, %s", c.caller.Name, did, time.Since(c.began).Round(time.Second), counted(commands, "program"), counted(streams, "forwarded stream"))
	if err := c.record(ctx, "ssh.disconnected", message); err != nil && !isOut(err) {
		c.server.Log.WarnContext(ctx, "record SSH connection", "error", err)
	}
}

// ran notes a program before it runs.
func (c *connection) ran(ctx context.Context, program string) error {
	if !c.trail.first(&c.trail.commands, "run "+program) {
		return nil
	}
	return c.record(ctx, "ssh.ran", fmt.Sprintf("%s runs %s over SSH", c.caller.Name, program))
}

// forwarded notes where a stream leads, or is taken from.
func (c *connection) forwarded(ctx context.Context, what string) error {
	if !c.trail.first(&c.trail.streams, what) {
		return nil
	}
	return c.record(ctx, "ssh.forwarded", fmt.Sprintf("%s %s over SSH", c.caller.Name, what))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func host(a net.Addr) string {
	address, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return address
}

// program is what the log says of a command: its first word, where that can hold no secret.
func program(p berth.Process) string {
	switch p.Kind {
	case berth.ProcessShell:
		return "a shell"
	case berth.ProcessSFTP:
		return "sftp"
	}
	words := strings.Fields(p.Command)
	if len(words) == 0 || strings.Trim(words[0], plainLetters) != "" || len(words[0]) > 100 {
		return "a command"
	}
	return words[0]
}

const plainLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_+-"
