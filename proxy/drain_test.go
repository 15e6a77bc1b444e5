package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"
)

// gate is an application whose requests stay until they are let go.
type gate struct {
	arrived chan struct{}
	leave   chan struct{}
}

func newGate() gate { return gate{make(chan struct{}, 16), make(chan struct{})} }

func (g gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.arrived <- struct{}{}
	select {
	case <-g.leave:
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, "finished")
}

func TestDrainedExactlyWhenTheLastRequestEnded(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	old := newGate()
	if !p.Drained("old") {
		t.Error("a target that never was is not drained")
	}
	p.Swap(table(1, backend(t, "old", old.ServeHTTP)))
	if p.Drained("old") {
		t.Error("drained while it is in the table")
	}
	answers := make(chan string, 2)
	for range 2 {
		go func() {
			_, body := get(t, server, "/")
			answers <- body
		}()
		<-old.arrived
	}
	p.Swap(table(2, backend(t, "new", says("new"))))
	if _, body := get(t, server, "/"); body != "new" {
		t.Errorf("a request after the swap got %q", body)
	}
	old.leave <- struct{}{}
	if got := <-answers; got != "finished" {
		t.Errorf("a request in flight got %q", got)
	}
	if p.Drained("old") {
		t.Error("drained with a request in flight")
	}
	close(old.leave)
	if got := <-answers; got != "finished" {
		t.Errorf("the last request in flight got %q", got)
	}
	eventually(t, "drained after the last request", func() bool { return p.Drained("old") })
	if p.Drained("new") {
		t.Error("the present target is drained")
	}
}

func TestDrainedLooksAtAllPortsOfAnID(t *testing.T) {
	p := newTestProxy(t)
	a := backend(t, "instance", says("a"))
	b := a
	b.Port = 9000
	p.Swap(&Table{Hosts: map[string]*Route{"a.test": {Targets: []Target{a}}, "b.test": {Targets: []Target{b}}}})
	p.Swap(&Table{Hosts: map[string]*Route{"b.test": {Targets: []Target{b}}}})
	if p.Drained("instance") {
		t.Error("drained though one of its ports is in the table")
	}
	p.Swap(&Table{})
	if !p.Drained("instance") {
		t.Error("not drained")
	}
}

// TestSwapLosesNoRequest swaps between targets that end the moment they are drained, while
// clients ask as fast as they can.
func TestSwapLosesNoRequest(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	start := func(n int) (Target, func()) {
		app := httptest.NewServer(says("ok"))
		id := fmt.Sprint(n)
		return targetAt(id, app.Listener.Addr().String()), func() {
			eventually(t, "drained", func() bool { return p.Drained(id) })
			app.CloseClientConnections() // as a container that is killed
			app.Close()
		}
	}
	present, end := start(0)
	p.Swap(table(0, present))

	var stop atomic.Bool
	var asked atomic.Int64
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for !stop.Load() {
				method, body := http.MethodGet, io.Reader(nil)
				if c%2 == 0 { // nobody may repeat a POST
					method, body = http.MethodPost, io.LimitReader(zeros{}, 1000)
				}
				response, text := do(t, server, request(t, server, method, "/", body))
				if response.StatusCode != http.StatusOK || text != "ok" {
					t.Errorf("%s: %d %q", method, response.StatusCode, text)
				}
				asked.Add(1)
			}
		})
	}
	for n := 1; n <= 30; n++ {
		next, endNext := start(n)
		before := asked.Load()
		p.Swap(table(int64(n), next))
		end()
		end = endNext
		eventually(t, "requests go on", func() bool { return asked.Load() > before+8 || t.Failed() })
	}
	stop.Store(true)
	clients.Wait()
	p.Swap(&Table{})
	end()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// echo is a WebSocket application.
func echo(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer c.CloseNow()
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, message); err != nil {
				return
			}
		}
	}
}

func dialWebSocket(t *testing.T, server *httptest.Server) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{Host: testHost, HTTPHeader: http.Header{"Origin": {"http://" + testHost}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func echoes(ctx context.Context, c *websocket.Conn) error {
	if err := c.Write(ctx, websocket.MessageText, []byte("ping")); err != nil {
		return err
	}
	_, message, err := c.Read(ctx)
	if err == nil && string(message) != "ping" {
		return fmt.Errorf("got %q", message)
	}
	return err
}

func TestWebSocketsLiveThroughASwapUntilTheirGraceIsOver(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	route := &Route{Targets: []Target{backend(t, "old", echo(t))}, Grace: time.Hour}
	p.Swap(&Table{Hosts: map[string]*Route{testHost: route}})
	c := dialWebSocket(t, server)
	if err := echoes(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p.Swap(table(2, backend(t, "new", says("new"))))
	for range 3 {
		if err := echoes(t.Context(), c); err != nil {
			t.Fatalf("after the swap: %v", err)
		}
	}
	if p.Drained("old") {
		t.Error("drained with an open WebSocket")
	}
	_ = c.CloseNow()
	eventually(t, "drained after the last WebSocket", func() bool { return p.Drained("old") })

	// The next one does not go by itself.
	route = &Route{Targets: []Target{backend(t, "third", echo(t))}, Grace: 50 * time.Millisecond}
	p.Swap(&Table{Hosts: map[string]*Route{testHost: route}})
	c = dialWebSocket(t, server)
	p.Swap(&Table{})
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("open after its grace")
	}
	eventually(t, "drained after the grace", func() bool { return p.Drained("third") })
}

func TestATargetThatComesBackKeepsItsConnections(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	target := backend(t, "a", echo(t))
	with := &Table{Hosts: map[string]*Route{testHost: {Targets: []Target{target}, Grace: 30 * time.Millisecond}}}
	p.Swap(with)
	c := dialWebSocket(t, server)
	p.Swap(&Table{})
	p.Swap(with)
	deadline := time.Now().Add(100 * time.Millisecond)
	for time.Now().Before(deadline) { // beyond the grace of the time it was away
		if err := echoes(t.Context(), c); err != nil {
			t.Fatalf("cut though its target is back: %v", err)
		}
	}
	if p.Drained("a") {
		t.Error("drained though it is back")
	}
}

func TestALaterGraceIsNotCutShortByAnEarlierOne(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	target := backend(t, "a", echo(t))
	with := func(grace time.Duration) *Table {
		return &Table{Hosts: map[string]*Route{testHost: {Targets: []Target{target}, Grace: grace}}}
	}
	p.Swap(with(30 * time.Millisecond))
	c := dialWebSocket(t, server)
	p.Swap(&Table{})
	p.Swap(with(time.Hour))
	p.Swap(&Table{})
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); {
		if err := echoes(t.Context(), c); err != nil {
			t.Fatalf("cut by the timer of the first time: %v", err)
		}
	}
}

func TestEventStreamsEndAfterTheGraceAndRequestsAfterThePatience(t *testing.T) {
	for _, c := range []struct {
		name            string
		kind            string
		grace, patience time.Duration
		cut             bool
	}{
		{"event stream, grace over", "text/event-stream; charset=utf-8", time.Millisecond, time.Hour, true},
		{"download, grace over", "application/zip", time.Millisecond, time.Hour, false},
		{"download, patience over", "application/zip", time.Millisecond, 20 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newTestProxy(t)
			server := front(t, p)
			leave := make(chan struct{})
			target := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				_, _ = io.WriteString(w, "begin ")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-leave:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "end")
			})
			p.Swap(&Table{Hosts: map[string]*Route{testHost: {Targets: []Target{target}, Grace: c.grace, Patience: c.patience}}})
			response, err := server.Client().Do(request(t, server, http.MethodGet, "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			p.Swap(&Table{})
			if !c.cut {
				eventually(t, "grace is over", func() bool { return p.graceIsOver("a") })
				close(leave)
			}
			body, err := io.ReadAll(response.Body)
			if (err != nil) != c.cut {
				t.Errorf("read %q, %v", body, err)
			}
			eventually(t, "drained", func() bool { return p.Drained("a") })
		})
	}
}

func (p *Proxy) graceIsOver(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, t := range p.targets {
		if key.id == id && !t.graceOver {
			return false
		}
	}
	return true
}

func TestCloseEndsEverything(t *testing.T) {
	p := New(Config{})
	server := front(t, p)
	p.Swap(&Table{Hosts: map[string]*Route{testHost: {Targets: []Target{backend(t, "a", echo(t))}, Grace: time.Hour}}})
	c := dialWebSocket(t, server)
	p.Close()
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("still open")
	}
	eventually(t, "drained", func() bool { return p.Drained("a") })
}

func TestIdleConnectionsCloseWhenTheirTargetLeaves(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	var open atomic.Int64
	app := httptest.NewUnstartedServer(says("ok"))
	app.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	app.Start()
	defer app.Close()
	p.Swap(table(1, targetAt("a", app.Listener.Addr().String())))
	for range 3 {
		get(t, server, "/")
	}
	if open.Load() != 1 {
		t.Errorf("%d connections for requests one after another", open.Load())
	}
	before := time.Now()
	p.Swap(&Table{})
	eventually(t, "closed", func() bool { return open.Load() == 0 })
	if time.Since(before) > idleConnectionLife/2 {
		t.Error("closed by its age only")
	}
}

// TestDrainIsExactForRandomHistories compares the proxy with a model that knows the table and
// counts flights.
func TestDrainIsExactForRandomHistories(t *testing.T) {
	ids := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		p := New(Config{})
		defer p.Close()
		inTable := map[string]bool{}
		inFlight := map[string]int{}
		var flights []*flight
		t.Repeat(map[string]func(*rapid.T){
			"swap": func(t *rapid.T) {
				chosen := rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[string]).Draw(t, "targets")
				var targets []Target
				clear(inTable)
				for _, id := range chosen {
					inTable[id] = true
					targets = append(targets, Target{ID: id})
				}
				p.Swap(&Table{Hosts: map[string]*Route{testHost: {Targets: targets, Grace: time.Hour, Patience: time.Hour}}})
			},
			"claim": func(t *rapid.T) {
				f := &flight{host: testHost, cancel: func(error) {}}
				p.claim(f)
				if (f.target != nil) != (len(inTable) > 0) {
					t.Fatalf("claimed %v with %v in the table", f.target, inTable)
				}
				if f.target == nil {
					return
				}
				if !inTable[f.target.key.id] {
					t.Fatalf("claimed %s, which is not in the table", f.target.key.id)
				}
				inFlight[f.target.key.id]++
				flights = append(flights, f)
			},
			"move on": func(t *rapid.T) {
				if len(flights) == 0 {
					return
				}
				f := rapid.SampledFrom(flights).Draw(t, "flight")
				before := f.target.key.id
				if p.claimAnother(f) {
					inFlight[before]--
					inFlight[f.target.key.id]++
				}
			},
			"release": func(t *rapid.T) {
				if len(flights) == 0 {
					return
				}
				i := rapid.IntRange(0, len(flights)-1).Draw(t, "flight")
				inFlight[flights[i].target.key.id]--
				p.release(flights[i])
				flights = slices.Delete(flights, i, i+1)
			},
			"": func(t *rapid.T) {
				for _, id := range ids {
					want := !inTable[id] && inFlight[id] == 0
					if got := p.Drained(id); got != want {
						t.Fatalf("Drained(%s) = %v with in table %v, in flight %d", id, got, inTable[id], inFlight[id])
					}
				}
			},
		})
		for _, f := range flights {
			p.release(f)
		}
	})
}
