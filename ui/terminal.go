package ui

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/berth-dev/berth"
	"github.com/coder/websocket"
)

const (
	// maxTyped bounds one message of a terminal: a paste is the largest.
	maxTyped = 1 << 20
	// lastWords is how long a client may take to hear how a shell ended.
	lastWords = 5 * time.Second
	// firstSize is what a shell begins with until the page says how large it is.
	firstWidth, firstHeight = 80, 24
)

// shellCommand is the best shell that an image has. It runs in the container.
var shellCommand = []string{"sh", "-c", `export TERM=xterm-256color; cd ~ 2>/dev/null; cd "${BERTH_CODE:-/app}" 2>/dev/null; if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh`}

// terminalPage is a shell in one of a deployment's containers.
func terminalPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	element := chosenElement(d, q.asked("element"))
	cli := "berth exec " + d.Slug
	if element != "" {
		cli += " " + element
	}
	s := screen{title: "Terminal of " + d.Slug, place: p, cli: cli + " -- sh", still: terminal(q.frame(""), p, d, element)}
	if p.may(berth.RoleDeveloper) && len(d.Elements) > 0 {
		s.scripts, s.styles = []string{"terminal.js"}, []string{"terminal.css"}
	}
	return s, nil
}

// giveTicket opens the way for one terminal.
func giveTicket(q *query) error {
	d, p, err := q.deployment()
	if err != nil {
		return err
	}
	if !p.may(berth.RoleDeveloper) {
		return berth.Errorf(berth.EForbidden, "To open a terminal you need the role developer: ask an owner.")
	}
	name, err := q.console.tickets.give(ticket{proof: q.login.proof(), deployment: d.Slug, element: q.form("element")}, q.console.Now())
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.w).Encode(map[string]string{"ticket": name})
}

// openTerminal runs a shell over a WebSocket. What can be refused before the upgrade is a plain answer.
func openTerminal(q *query) error {
	d, err := q.service.Deployment(q.ctx, q.path("deployment"))
	if err != nil {
		return err
	}
	one, ok := q.console.tickets.take(q.asked("ticket"), q.console.Now())
	if !ok || !q.login.proves(one.proof) || one.deployment != d.Slug {
		return berth.Errorf(berth.EForbidden, "A terminal is opened by its page.")
	}
	conn, err := websocket.Accept(q.w, q.r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxTyped)
	ctx, cancel := context.WithCancel(q.r.Context())
	defer cancel()
	defer context.AfterFunc(q.console.closing, cancel)()
	code, err := q.runShell(ctx, cancel, conn, one)
	if ctx.Err() != nil {
		return nil // whom there would be something to tell has gone
	}
	word := map[string]any{"exit": code}
	if err != nil {
		word = map[string]any{"problem": berth.MessageOf(q.told(err))}
	}
	text, err := json.Marshal(word)
	if err != nil {
		return nil // the socket is ours no more
	}
	last, done := context.WithTimeout(ctx, lastWords)
	defer done()
	if conn.Write(last, websocket.MessageText, text) == nil {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	return nil
}

// runShell runs the shell until it ends or the client goes. What reads the socket ends with it.
func (q *query) runShell(ctx context.Context, cancel context.CancelFunc, conn *websocket.Conn, one ticket) (int, error) {
	typed, typing := io.Pipe()
	resize := make(chan berth.WindowSize, 1)
	go func() {
		defer cancel()
		typing.CloseWithError(receive(ctx, conn, typing, resize))
	}()
	code, err := q.service.Exec(ctx, one.deployment, berth.Exec{
		Element: one.element, Command: slices.Clone(shellCommand), TTY: true, Width: firstWidth, Height: firstHeight,
		Stdin: typed, Stdout: screenOf{ctx, conn}, Resize: resize,
	})
	_ = typed.Close() // who still types writes to nobody
	return code, err
}

// receive takes what the client sends until it goes: bytes are typed, text is a size.
func receive(ctx context.Context, conn *websocket.Conn, typed io.Writer, resize chan berth.WindowSize) error {
	for {
		kind, content, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if kind == websocket.MessageBinary {
			if _, err := typed.Write(content); err != nil {
				return err
			}
			continue
		}
		var size berth.WindowSize
		if err := json.Unmarshal(content, &size); err != nil || size.Width < 1 || size.Height < 1 || size.Width > 1000 || size.Height > 1000 {
			return errors.New("client sent an unreadable size")
		}
		select { // only the newest counts
		case <-resize:
		default:
		}
		resize <- size
	}
}

// screenOf sends what a shell writes.
type screenOf struct {
	ctx  context.Context
	conn *websocket.Conn
}

func (s screenOf) Write(p []byte) (int, error) {
	if err := s.conn.Write(s.ctx, websocket.MessageBinary, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
