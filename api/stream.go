package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
)

const (
	// firstWord is how long a stream waits for its first item before it says 200: an error that comes
	// within this time still gets its own status.
	firstWord = 250 * time.Millisecond
	// keepAlive is how often an idle stream says that it lives.
	keepAlive = 15 * time.Second
)

// streamRoutes are about what flows while somebody watches.
func (a *api) streamRoutes() {
	raw(a, streams(route("logs", "GET", "/deployments/{deployment}/logs", "What containers wrote, oldest first"),
		"application/x-ndjson", "One JSON object per line; an empty line says that the stream lives", inPath("deployment"),
		inQuery("element", huma.TypeString, "Only this element"), inQuery("since", huma.TypeString, "How far back, like 10m"),
		inQuery("tail", huma.TypeInteger, "Only the newest lines"), inQuery("follow", huma.TypeBoolean, "Go on"),
		inQuery("previous", huma.TypeBoolean, "The run before the present one")), a.logs)

	raw(a, streams(route("requests", "GET", "/deployments/{deployment}/requests", "What hosts were asked, in the order of the answers"),
		"application/x-ndjson", "One JSON object per line; an empty line says that the stream lives", inPath("deployment"),
		inQuery("element", huma.TypeString, "Only this element"), inQuery("since", huma.TypeString, "How far back, like 10m"),
		inQuery("tail", huma.TypeInteger, "Only the newest"), inQuery("follow", huma.TypeBoolean, "Go on")), a.requests)

	events := []*huma.Param{
		inQuery("after", huma.TypeInteger, "Only events after this sequence number; Last-Event-ID says the same"),
		inQuery("limit", huma.TypeInteger, "Of past events, the newest"), inQuery("follow", huma.TypeBoolean, "Go on"),
	}
	raw(a, streams(route("events", "GET", "/events", "What happened in all the caller may see"), "text/event-stream", "Events", events...), a.events)
	raw(a, streams(route("deployment-events", "GET", "/deployments/{deployment}/events", "What happened in a deployment"),
		"text/event-stream", "Events", append([]*huma.Param{inPath("deployment")}, events...)...), a.events)

	op := route("exec", "GET", "/deployments/{deployment}/exec", "Run a command in a container, over a WebSocket")
	op.Responses["101"] = &huma.Response{Description: "Frames as in package apiwire"}
	op.Parameters = []*huma.Param{inPath("deployment")}
	raw(a, op, a.exec)
}

func (a *api) logs(w http.ResponseWriter, r *http.Request, s berth.Service) error {
	q, err := logQuery(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	encode := json.NewEncoder(w)
	return stream(a, w, r, streamFormat[berth.LogLine]{
		item:  func(l berth.LogLine) error { return encode.Encode(apiwire.LogItem{LogLine: l}) },
		alive: func() error { _, err := io.WriteString(w, "\n"); return err },
		error: func(p apiwire.Problem) error { return encode.Encode(apiwire.LogItem{Error: &p}) },
	}, func(ctx context.Context) iter.Seq2[berth.LogLine, error] {
		return s.Logs(ctx, r.PathValue("deployment"), q)
	})
}

func (a *api) requests(w http.ResponseWriter, r *http.Request, s berth.Service) error {
	q, err := logQuery(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	encode := json.NewEncoder(w)
	return stream(a, w, r, streamFormat[berth.Request]{
		item:  func(r berth.Request) error { return encode.Encode(apiwire.RequestItem{Request: r}) },
		alive: func() error { _, err := io.WriteString(w, "\n"); return err },
		error: func(p apiwire.Problem) error { return encode.Encode(apiwire.RequestItem{Error: &p}) },
	}, func(ctx context.Context) iter.Seq2[berth.Request, error] {
		return s.Requests(ctx, r.PathValue("deployment"), q)
	})
}

func logQuery(r *http.Request) (q berth.LogQuery, err error) {
	values := r.URL.Query()
	q.Element = values.Get("element")
	if since := values.Get("since"); since != "" {
		if q.Since, err = time.ParseDuration(since); err != nil || q.Since < 0 {
			return q, badQuery("since", "a length of time, like 10m or 2h")
		}
	}
	if q.Tail, err = queryInt[int](r, "tail"); err != nil {
		return q, err
	}
	if q.Follow, err = queryBool(r, "follow"); err != nil {
		return q, err
	}
	q.Previous, err = queryBool(r, "previous")
	return q, err
}

func (a *api) events(w http.ResponseWriter, r *http.Request, s berth.Service) error {
	q, err := eventQuery(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return stream(a, w, r, streamFormat[berth.Event]{
		item:  func(e berth.Event) error { return writeEvent(w, "", e.Seq, e) },
		alive: func() error { _, err := io.WriteString(w, ":\n\n"); return err },
		error: func(p apiwire.Problem) error { return writeEvent(w, "error", 0, p) },
	}, func(ctx context.Context) iter.Seq2[berth.Event, error] { return s.Events(ctx, q) })
}

func eventQuery(r *http.Request) (q berth.EventQuery, err error) {
	q.Deployment = r.PathValue("deployment")
	if q.After, err = queryInt[int64](r, "after"); err != nil {
		return q, err
	}
	// A browser that reconnects asks the same URL again and says here how far it got.
	if last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil && last > q.After {
		q.After = last
	}
	if q.Limit, err = queryInt[int](r, "limit"); err != nil {
		return q, err
	}
	q.Follow, err = queryBool(r, "follow")
	return q, err
}

// writeEvent writes one server-sent event. JSON has no line breaks, so it is one data line.
func writeEvent(w io.Writer, kind string, id int64, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if kind != "" {
		_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, data)
	} else {
		_, err = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", id, data)
	}
	return err
}

func badQuery(name, want string) error {
	return &berth.Error{Code: berth.EInvalid, Field: name, Message: "this must be " + want}
}

func queryBool(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, badQuery(name, "true or false")
	}
	return v, nil
}

func queryInt[T int | int64](r *http.Request, name string) (T, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 || int64(T(v)) != v {
		return 0, badQuery(name, "a whole number")
	}
	return T(v), nil
}
