package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// buildField says which version made the page that listens.
	buildField = "made-by"
	// settle is how long a stream waits for more of what just happened before it renders.
	settle = 120 * time.Millisecond
	// keepAlive is how often an idle stream says that it lives, and asks whether its login still does.
	keepAlive = 15 * time.Second
	// moment is how soon a page looks again that waits for what is not announced.
	moment = 500 * time.Millisecond
)

// streams reports whether a page is asked for by its own live region.
func streams(r *http.Request) bool { return r.Header.Get("Accept") == "text/event-stream" }

// stream sends a page's live region whenever it differs from what was sent before. It subscribes before it first
// renders, so that nothing falls in between; a page that comes back is right at once.
func (q *query) stream(p page) {
	ctx, stop := context.WithCancel(q.r.Context())
	defer stop()
	defer context.AfterFunc(q.console.closing, stop)()
	out := startEvents(q.w)
	if q.asked(buildField) != q.console.Version {
		_ = out.send("reload", "") // the page is another version's
		return
	}
	changes := q.console.Changes(ctx)
	var sent [sha256.Size]byte
	for {
		region, s, err := q.region(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			_ = out.send("reload", "") // the page itself says what is wrong
			return
		}
		if sum := sha256.Sum256(region); sum != sent {
			if err := out.send("region", string(region)); err != nil {
				return
			}
			sent = sum
		}
		if !q.await(ctx, changes, s, out) {
			return
		}
	}
}

// region renders what is live of a page, as who is logged in now may see it.
func (q *query) region(ctx context.Context, p page) (content []byte, s screen, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := *q
	now.ctx = ctx
	if err := now.known(); err != nil {
		return nil, s, err
	}
	if s, err = p(&now); err != nil {
		return nil, s, err
	}
	if s.live == nil {
		return nil, s, fmt.Errorf("stream page: nothing of %s is live", q.r.URL.Path)
	}
	var out bytes.Buffer
	err = s.live.Render(ctx, &out)
	return out.Bytes(), s, err
}

// await returns when what a page is about may have changed, false when nobody listens any more.
func (q *query) await(ctx context.Context, changes <-chan berth.ID, s screen, out events) bool {
	if s.soon {
		return pause(ctx, moment, changes)
	}
	tick := time.NewTimer(keepAlive)
	defer tick.Stop()
	for {
		select {
		case id, open := <-changes:
			if !open {
				return false
			}
			if s.about != nil && id != "" && !slices.Contains(s.about, id) {
				continue
			}
			return pause(ctx, settle, changes)
		case <-tick.C:
			if out.comment() != nil {
				return false
			}
			if q.stillKnown(ctx) != nil {
				return true // rendering it again says why
			}
			tick.Reset(keepAlive)
		case <-ctx.Done():
			return false
		}
	}
}

// pause takes what comes meanwhile for part of what came.
func pause(ctx context.Context, d time.Duration, changes <-chan berth.ID) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case _, open := <-changes:
			if !open {
				return false
			}
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// events is a stream of server-sent events (HTML, 9.2).
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func startEvents(w http.ResponseWriter) events {
	out := events{w, http.NewResponseController(w)}
	_ = out.control.SetReadDeadline(time.Time{}) // it lasts as long as somebody watches
	_ = out.control.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for a proxy in front
	w.WriteHeader(http.StatusOK)
	_ = out.control.Flush()
	return out
}

func (e events) send(name, data string) error {
	var text strings.Builder
	text.WriteString("event: " + name + "\n")
	for line := range strings.SplitSeq(data, "\n") {
		text.WriteString("data: " + strings.TrimSuffix(line, "\r") + "\n")
	}
	text.WriteString("\n")
	return e.write(text.String())
}

func (e events) comment() error { return e.write(":\n\n") }

func (e events) write(text string) error {
	if _, err := io.WriteString(e.w, text); err != nil {
		return err
	}
	return e.control.Flush()
}
