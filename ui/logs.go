package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// tail is how many past lines a viewer begins with.
	tail = 1000
	// batch and batchTime bound how many lines come as one event, and how long the first of them waits.
	batch     = 400
	batchTime = 60 * time.Millisecond
	// maxBuildLine bounds a line of a build's log.
	maxBuildLine = 256 << 10
)

// logsPage is the live tail of what containers write.
func logsPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	choice := logChoice{q.asked("element"), q.asked("show")}
	cli := "berth logs " + d.Slug
	if choice.element != "" {
		cli += " " + choice.element
	}
	cli += map[string]string{showPrevious: " --previous", showRequests: " --requests -f"}[choice.show]
	if choice.show == "" {
		cli += " -f"
	}
	return screen{title: "Logs of " + d.Slug, place: p, still: logViewerPage(d, choice), cli: cli, scripts: []string{"logs.js"}}, nil
}

// What a log can show besides what containers write in this run.
const (
	showPrevious = "previous" // what they wrote in the run before
	showRequests = "requests" // what hosts were asked
)

// logChoice is what of a deployment's logs is shown.
type logChoice struct{ element, show string }

func (c logChoice) query() string {
	values := url.Values{}
	if c.element != "" {
		values.Set("element", c.element)
	}
	if c.show != "" {
		values.Set("show", c.show)
	}
	return values.Encode()
}

// shownLine is a line as the viewer takes it.
type shownLine struct {
	Time   string `json:"t,omitempty"`
	From   string `json:"f,omitempty"`
	Stream string `json:"s,omitempty"`
	Text   string `json:"x"`
}

func (q *query) logQuery() (l berth.LogQuery, err error) {
	l = berth.LogQuery{Element: q.asked("element"), Previous: q.asked("show") == showPrevious}
	if text := q.asked("since"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 {
			return l, berth.Errorf(berth.EInvalid, "%q is no number of seconds", text)
		}
		l.Since = time.Duration(seconds) * time.Second
	}
	return l, nil
}

// followLogs streams lines to a viewer; where it was, it says by how far back it begins.
func followLogs(q *query) error {
	l, err := q.logQuery()
	if err != nil {
		return err
	}
	if l.Follow = !l.Previous; l.Since == 0 {
		l.Tail = tail
	}
	if _, err := q.service.Deployment(q.ctx, q.path("deployment")); err != nil {
		return err
	}
	q.pump(func(ctx context.Context) iter.Seq2[shownLine, error] { return q.logLines(ctx, l) })
	return nil
}

// logLines are what containers wrote, or what hosts were asked.
func (q *query) logLines(ctx context.Context, l berth.LogQuery) iter.Seq2[shownLine, error] {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	return func(yield func(shownLine, error) bool) {
		if q.asked("show") == showRequests {
			for r, err := range q.service.Requests(ctx, q.path("deployment"), l) {
				if !yield(shownLine{at(r.Time), r.Element, requestStream(r), requestWords(r)}, err) {
					return
				}
			}
			return
		}
		for line, err := range q.service.Logs(ctx, q.path("deployment"), l) {
			if !yield(shownLine{at(line.Time), line.Element, line.Stream, line.Text}, err) {
				return
			}
		}
	}
}

// requestWords tell of a request in a line.
func requestWords(r berth.Request) string {
	return fmt.Sprintf("%d %s https://%s%s  %.0f ms  %s  from %s", r.Status, r.Method, r.Host, r.Path, r.DurationMs, size(r.Bytes), r.Client)
}

// requestStream has what failed look like what programs complain about.
func requestStream(r berth.Request) string {
	if r.Status >= http.StatusInternalServerError {
		return "stderr"
	}
	return "stdout"
}

// followBuild streams a build's log.
func followBuild(q *query) error {
	log, err := q.service.BuildLog(q.ctx, q.path("deployment"), berth.ID(q.path("build")), false)
	if err != nil {
		return err
	}
	_ = log.Close()
	q.pump(func(ctx context.Context) iter.Seq2[shownLine, error] {
		return q.buildLines(ctx, berth.ID(q.path("build")))
	})
	return nil
}

// buildLines are the lines of a build's log, as long as it is written.
func (q *query) buildLines(ctx context.Context, build berth.ID) iter.Seq2[shownLine, error] {
	return func(yield func(shownLine, error) bool) {
		log, err := q.service.BuildLog(ctx, q.path("deployment"), build, true)
		if err != nil {
			yield(shownLine{}, err)
			return
		}
		defer func() { _ = log.Close() }()
		lines := bufio.NewScanner(log)
		lines.Buffer(make([]byte, 0, 4096), maxBuildLine)
		for lines.Scan() {
			if !yield(shownLine{Text: lines.Text()}, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(shownLine{}, err)
		}
	}
}

// pump sends lines as events, many at a time where many come, until they end or nobody watches.
func (q *query) pump(open func(context.Context) iter.Seq2[shownLine, error]) {
	ctx, stop := context.WithCancel(q.r.Context())
	defer context.AfterFunc(q.console.closing, stop)()
	lines := make(chan shownLine, batch)
	done := make(chan struct{})
	var failed error
	go func() {
		defer close(done)
		defer close(lines)
		for line, err := range open(ctx) {
			if err != nil {
				failed = err
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		<-done
	}()
	out := startEvents(q.w)
	var refused error // whom it was for is nobody any more
	for {
		some, more := gather(ctx, lines, func() error {
			if refused = q.stillKnown(ctx); refused != nil {
				return refused
			}
			return out.comment()
		})
		if len(some) > 0 {
			text, err := json.Marshal(some)
			if err != nil || out.send("lines", string(text)) != nil {
				return
			}
		}
		if !more {
			break
		}
	}
	if ctx.Err() != nil {
		return
	}
	stop()
	<-done
	if refused != nil {
		failed = refused
	}
	if failed != nil && !errors.Is(failed, context.Canceled) {
		_ = out.send("problem", berth.MessageOf(q.told(failed)))
	}
	_ = out.send("end", "")
}

// gather takes what lines there are, and a moment more; idle is asked now and then whether to go on.
func gather(ctx context.Context, lines <-chan shownLine, idle func() error) (some []shownLine, more bool) {
	tick := time.NewTimer(keepAlive)
	defer tick.Stop()
	for {
		select {
		case line, open := <-lines:
			if !open {
				return some, false
			}
			if some = append(some, line); len(some) >= batch {
				return some, true
			}
			if len(some) == 1 {
				tick.Reset(batchTime)
			}
		case <-tick.C:
			if len(some) > 0 {
				return some, true
			}
			if idle() != nil {
				return nil, false
			}
			tick.Reset(keepAlive)
		case <-ctx.Done():
			return nil, false
		}
	}
}

// downloadLogs is all that is kept, as a file.
func downloadLogs(q *query) error {
	l, err := q.logQuery()
	if err != nil {
		return err
	}
	d, err := q.service.Deployment(q.ctx, q.path("deployment"))
	if err != nil {
		return err
	}
	_ = http.NewResponseController(q.w).SetWriteDeadline(time.Time{})
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.Slug+".log"))
	out := bufio.NewWriter(q.w)
	for line, err := range q.logLines(q.r.Context(), l) {
		if err != nil {
			_, _ = fmt.Fprintf(out, "The log ends here: %s\n", berth.MessageOf(q.told(err)))
			break
		}
		if _, err := fmt.Fprintf(out, "%s %s %s %s\n", line.Time, line.From, line.Stream, line.Text); err != nil {
			return nil // nobody is left to hear of it
		}
	}
	_ = out.Flush()
	return nil
}

// downloadBuild is a build's log as a file.
func downloadBuild(q *query) error {
	log, err := q.service.BuildLog(q.ctx, q.path("deployment"), berth.ID(q.path("build")), false)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.w.Header().Set("Content-Disposition", `attachment; filename="build.log"`)
	_, _ = io.Copy(q.w, log)
	return nil
}
