package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// recording is a proxy that tells what it records.
func recording(t *testing.T) (*Proxy, <-chan Record) {
	t.Helper()
	records := make(chan Record, 16)
	p := New(Config{Record: func(r Record) { records <- r }})
	t.Cleanup(p.Close)
	return p, records
}

func keyed(targets ...Target) *Table {
	return &Table{Hosts: map[string]*Route{testHost: {Key: "shop/web", Targets: targets}}}
}

func TestEveryRequestIsRecorded(t *testing.T) {
	p, records := recording(t)
	server := front(t, p)
	p.Swap(keyed(backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "four")
	})))
	before := time.Now()
	do(t, server, request(t, server, http.MethodPost, "/a%20b?token=secret", strings.NewReader("body")))
	got := <-records
	if got.Time.Before(before) || got.Duration <= 0 || got.FirstByte <= 0 || got.FirstByte > got.Duration {
		t.Errorf("times of %+v", got)
	}
	want := Record{Time: got.Time, Key: "shop/web", Host: testHost, Method: "POST", Path: "/a%20b", Protocol: "HTTP/1.1", Status: 201, Bytes: 4,
		Duration: got.Duration, FirstByte: got.FirstByte, Client: got.Client, Target: "a"}
	if got != want || got.Client.String() != "127.0.0.1" {
		t.Errorf("%+v, want %+v", got, want)
	}

	p.Swap(keyed())
	get(t, server, "/")
	if got := <-records; got.Status != http.StatusServiceUnavailable || got.Target != "" || got.Bytes == 0 {
		t.Errorf("a page: %+v", got)
	}
	p.Swap(keyed(refused("dead")))
	get(t, server, "/")
	if got := <-records; got.Status != http.StatusBadGateway || got.Target != "dead" {
		t.Errorf("no answer: %+v", got)
	}
	p.Swap(table(1))
	get(t, server, "/")
	p.Swap(&Table{})
	get(t, server, "/"+strings.Repeat("x", 3000))
	p.Swap(keyed())
	get(t, server, "/"+strings.Repeat("x", 3000))
	if got := <-records; len(got.Path) != maxRecordedPath {
		t.Errorf("a host that has no key, or none at all, or a path of %d bytes: %+v", len(got.Path), got)
	}
}

func TestWhoLeavesIsRecorded(t *testing.T) {
	p, records := recording(t)
	g := newGate()
	p.Swap(keyed(backend(t, "a", g.ServeHTTP)))
	server := front(t, p)
	conn := dialFront(t, server.Listener.Addr())
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+testHost+"\r\n\r\n")
	<-g.arrived
	conn.Close()
	if got := <-records; got.Status != statusClientGone || got.FirstByte != 0 || got.Bytes != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWebSocketsAreRecordedWhenTheyEnd(t *testing.T) {
	p, records := recording(t)
	p.Swap(keyed(backend(t, "a", echo(t))))
	c := dialWebSocket(t, front(t, p))
	if err := echoes(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseNow()
	if got := <-records; got.Status != http.StatusSwitchingProtocols {
		t.Errorf("%+v", got)
	}
}

func TestAnAnswerThatBreaksOffIsRecorded(t *testing.T) {
	p, records := recording(t)
	p.Swap(keyed(backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	server := front(t, p)
	response, err := server.Client().Transport.RoundTrip(request(t, server, http.MethodGet, "/", nil))
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	if got := <-records; got.Status != 200 || got.Bytes != 5 {
		t.Errorf("%+v", got)
	}
}
