package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/coder/websocket"
)

// Exec runs a command and returns its exit code once its output has been delivered. A Stdin that is
// blocked in Read when the command ends is left blocked: nobody can wake it.
func (c *Client) Exec(ctx context.Context, ref string, x berth.Exec) (int, error) {
	conn, err := c.dial(ctx, at("deployments", ref, "exec"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(apiwire.MaxChunk + 64<<10)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t := &terminal{conn: conn, ctx: ctx, credit: newCredit(ctx, apiwire.StdinWindow)}
	start := apiwire.Start{Element: x.Element, Command: x.Command, TTY: x.TTY, Width: x.Width, Height: x.Height, Stdin: x.Stdin != nil}
	if err := t.sendJSON(apiwire.FrameStart, start); err != nil {
		return 0, fmt.Errorf("start command: %w", err)
	}
	if x.Stdin != nil {
		go t.copyStdin(x.Stdin)
	}
	var resizing sync.WaitGroup
	if x.Resize != nil {
		resizing.Go(func() { t.copySizes(x.Resize) })
	}
	defer resizing.Wait()
	defer stop()
	code, err := t.receive(x)
	if err == nil {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	return code, err
}

func (c *Client) dial(ctx context.Context, path string) (*websocket.Conn, error) {
	header := http.Header{}
	if !c.token.Empty() {
		header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	conn, response, err := websocket.Dial(ctx, c.base+path, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: header, CompressionMode: websocket.CompressionDisabled})
	if err == nil {
		return conn, nil
	}
	if response != nil && response.Body != nil && response.StatusCode >= 300 {
		return nil, problem(response)
	}
	return nil, c.unreachable(ctx, err)
}

// terminal is one command's end of a WebSocket.
type terminal struct {
	conn   *websocket.Conn
	ctx    context.Context // of the command
	credit *credit
}

// receive delivers output until the server says how the command ended.
func (t *terminal) receive(x berth.Exec) (int, error) {
	for {
		_, message, err := t.conn.Read(t.ctx)
		if err != nil {
			if cause := context.Cause(t.ctx); cause != nil {
				return 0, cause
			}
			return 0, coded(berth.EUnavailable, err, "the connection to the server broke while the command ran")
		}
		if len(message) == 0 {
			continue
		}
		content := message[1:]
		switch message[0] {
		case apiwire.FrameStdout:
			err = deliver(x.Stdout, content)
		case apiwire.FrameStderr:
			err = deliver(x.Stderr, content)
		case apiwire.FrameAck:
			var n int
			err = json.Unmarshal(content, &n)
			t.credit.give(n)
		case apiwire.FrameExit:
			var exit apiwire.Exit
			return exit.Code, unmarshal(content, &exit)
		case apiwire.FrameFailure:
			var p apiwire.Problem
			if err := unmarshal(content, &p); err != nil {
				return 0, err
			}
			return 0, p.Err()
		}
		if err != nil {
			return 0, fmt.Errorf("deliver output: %w", err)
		}
	}
}

func deliver(w io.Writer, p []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(p)
	return err
}

func unmarshal(content []byte, v any) error {
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("read how the command ended: %w", err)
	}
	return nil
}

// copyStdin sends what there is to read, never more than the server has room for.
func (t *terminal) copyStdin(from io.Reader) {
	buffer := make([]byte, apiwire.MaxChunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 && (!t.credit.take(n) || t.send(apiwire.FrameStdin, buffer[:n]) != nil) {
			return
		}
		if err != nil {
			_ = t.send(apiwire.FrameStdinEnd, nil)
			return
		}
	}
}

func (t *terminal) copySizes(sizes <-chan berth.WindowSize) {
	for {
		select {
		case size, open := <-sizes:
			if !open || t.sendJSON(apiwire.FrameResize, size) != nil {
				return
			}
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *terminal) send(kind byte, content []byte) error {
	return t.conn.Write(t.ctx, websocket.MessageBinary, append([]byte{kind}, content...))
}

func (t *terminal) sendJSON(kind byte, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.send(kind, content)
}

// credit is how many bytes may be sent before the other side says that it took some.
type credit struct {
	ctx context.Context

	mu   sync.Mutex
	left int
	more chan struct{} // holds one: "left grew"
}

func newCredit(ctx context.Context, n int) *credit {
	return &credit{ctx: ctx, left: n, more: make(chan struct{}, 1)}
}

func (c *credit) give(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left += n
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// take waits until n bytes may be sent; false when the command is over.
func (c *credit) take(n int) bool {
	for {
		if c.tryTake(n) {
			return true
		}
		select {
		case <-c.more:
		case <-c.ctx.Done():
			return false
		}
	}
}

func (c *credit) tryTake(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left < n {
		return false
	}
	c.left -= n
	return true
}
