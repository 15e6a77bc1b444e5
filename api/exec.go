package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/coder/websocket"
)

// startTime is how long a client may take to say what to run.
const startTime = 10 * time.Second

// exec runs a command over a WebSocket. What can be refused before the upgrade is a plain answer.
func (a *api) exec(w http.ResponseWriter, r *http.Request, s berth.Service) error {
	ref := r.PathValue("deployment")
	if _, err := s.Deployment(r.Context(), ref); err != nil {
		return err
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(apiwire.StdinWindow)
	t := &terminal{conn: conn}
	code, err := t.run(r.Context(), s, ref)
	ctx, cancel := context.WithTimeout(r.Context(), startTime)
	defer cancel()
	if err != nil {
		_ = t.sendJSON(ctx, apiwire.FrameFailure, a.problem(ctx, err).Problem)
	} else {
		_ = t.sendJSON(ctx, apiwire.FrameExit, apiwire.Exit{Code: code})
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	t.wait()
	return nil
}

// terminal is one command's end of a WebSocket.
type terminal struct {
	conn  *websocket.Conn
	ended chan struct{} // closed when nothing reads the socket any more; nil before it is read
}

func (t *terminal) wait() {
	if t.ended != nil {
		<-t.ended
	}
}

func (t *terminal) run(ctx context.Context, s berth.Service, ref string) (int, error) {
	start, err := t.start(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x := berth.Exec{
		Element: start.Element, Command: start.Command, TTY: start.TTY, Width: start.Width, Height: start.Height,
		Stdout: t.writer(ctx, apiwire.FrameStdout), Stderr: t.writer(ctx, apiwire.FrameStderr),
	}
	stdin := newInbox(func(n int) { _ = t.sendJSON(ctx, apiwire.FrameAck, n) })
	defer stdin.end()
	if start.Stdin {
		x.Stdin = stdin
	}
	resize := make(chan berth.WindowSize, 1)
	x.Resize = resize
	t.ended = make(chan struct{})
	go func() {
		defer close(t.ended)
		// It reads on after the command ended, until Close has had its answer; run's ctx does not end it.
		cancel(t.receive(context.WithoutCancel(ctx), stdin, resize))
	}()
	return s.Exec(ctx, ref, x)
}

func (t *terminal) start(ctx context.Context) (start apiwire.Start, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	kind, content, err := t.read(ctx)
	if err != nil {
		return start, err
	}
	if kind != apiwire.FrameStart || json.Unmarshal(content, &start) != nil {
		return start, berth.Errorf(berth.EInvalid, "the first message must say what to run")
	}
	return start, nil
}

// receive takes what the client sends until it goes.
func (t *terminal) receive(ctx context.Context, stdin *inbox, resize chan berth.WindowSize) error {
	defer stdin.end()
	for {
		kind, content, err := t.read(ctx)
		if err != nil {
			return fmt.Errorf("client left: %w", err)
		}
		switch kind {
		case apiwire.FrameStdin:
			if err := stdin.put(content); err != nil {
				return err
			}
		case apiwire.FrameStdinEnd:
			stdin.end()
		case apiwire.FrameResize:
			var size berth.WindowSize
			if err := json.Unmarshal(content, &size); err != nil {
				return errors.New("client sent an unreadable size")
			}
			replace(resize, size)
		}
	}
}

// replace leaves only the newest size to be read.
func replace(resize chan berth.WindowSize, size berth.WindowSize) {
	select {
	case <-resize:
	default:
	}
	select {
	case resize <- size:
	default:
	}
}

func (t *terminal) read(ctx context.Context) (kind byte, content []byte, err error) {
	_, message, err := t.conn.Read(ctx)
	if err != nil {
		return 0, nil, err
	}
	if len(message) == 0 {
		return 0, nil, errors.New("client sent an empty message")
	}
	return message[0], message[1:], nil
}

func (t *terminal) send(ctx context.Context, kind byte, content []byte) error {
	return t.conn.Write(ctx, websocket.MessageBinary, append([]byte{kind}, content...))
}

func (t *terminal) sendJSON(ctx context.Context, kind byte, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.send(ctx, kind, content)
}

// frameWriter sends what is written as messages of one kind.
type frameWriter struct {
	terminal *terminal
	ctx      context.Context
	kind     byte
}

func (t *terminal) writer(ctx context.Context, kind byte) frameWriter {
	return frameWriter{terminal: t, ctx: ctx, kind: kind}
}

func (f frameWriter) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		chunk := p[:min(len(p), apiwire.MaxChunk)]
		if err := f.terminal.send(f.ctx, f.kind, chunk); err != nil {
			return written, err
		}
		written += len(chunk)
		p = p[len(chunk):]
	}
	return written, nil
}
