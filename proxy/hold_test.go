package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// holding is a table whose only host waits for a target, and shows a page after that.
func holding(version int64, hold time.Duration, targets ...Target) *Table {
	return &Table{Version: version, Hosts: map[string]*Route{testHost: {Targets: targets, Hold: hold, Page: &Page{Code: "starting"}}}}
}

func held(t *testing.T, p *Proxy, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests are held", n), func() bool { return p.Held() == n })
}

func TestRequestsWaitForATarget(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, time.Hour))
	answers := make(chan string, 3)
	ask := func(method, body string) {
		go func() {
			_, got := do(t, server, request(t, server, method, "/", strings.NewReader(body)))
			answers <- got
		}()
	}
	ask(http.MethodGet, "")
	ask(http.MethodPost, "small")
	ask(http.MethodPost, strings.Repeat("x", maxEarlyBody+1))
	held(t, p, 3)
	p.Swap(holding(2, time.Hour)) // a table that changes nothing for them
	held(t, p, 3)
	p.Swap(holding(3, time.Hour, backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %v", r.Method, len(body), err)
	})))
	got := map[string]bool{<-answers: true, <-answers: true, <-answers: true}
	for _, want := range []string{"GET 0 <nil>", "POST 5 <nil>", fmt.Sprintf("POST %d <nil>", maxEarlyBody+1)} {
		if !got[want] {
			t.Errorf("no %q in %v", want, got)
		}
	}
	held(t, p, 0)
}

func TestHoldEndsWithThePage(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, 30*time.Millisecond))
	began := time.Now()
	if response, body := get(t, server, "/"); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "starting") && time.Since(began) < 30*time.Millisecond {
		t.Errorf("%d after %s: %s", response.StatusCode, time.Since(began), body)
	}
	if time.Since(began) < 30*time.Millisecond {
		t.Errorf("held for %s only", time.Since(began))
	}
	// A host that goes away meanwhile, or becomes a redirect, does not leave anybody waiting.
	p.Swap(holding(2, time.Hour))
	status := make(chan int)
	go func() {
		response, _ := get(t, server, "/")
		status <- response.StatusCode
	}()
	held(t, p, 1)
	p.Swap(&Table{})
	if got := <-status; got != http.StatusNotFound {
		t.Errorf("the host went away: %d", got)
	}
}

// TestAnUnfinishedBodyDoesNotKeepItsRequest has a client that promises a small body and does not send it.
func TestAnUnfinishedBodyDoesNotKeepItsRequest(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, 30*time.Millisecond))
	conn := dialFront(t, server.Listener.Addr())
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\nhalf", testHost)
	answer, err := io.ReadAll(conn) // to the end: the server closes
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503") {
		t.Errorf("%v: %s", err, answer)
	}
}

func TestWhoGoesAwayDoesNotWait(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, time.Hour))
	for _, raw := range []string{
		"GET / HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: " + testHost + "\r\nContent-Length: 4\r\n\r\nbody",
	} {
		conn := dialFront(t, server.Listener.Addr())
		_, _ = io.WriteString(conn, raw)
		held(t, p, 1)
		conn.Close()
		held(t, p, 0)
	}
}

func TestOnlySoManyWait(t *testing.T) {
	r := &room{}
	for range maxHeld {
		if !r.enter(1) {
			t.Fatal("full too soon")
		}
	}
	if r.enter(1) {
		t.Error("more requests than there is room for")
	}
	r.leave(1)
	if !r.enter(1) {
		t.Error("no room though one left")
	}
	if r = (&room{}); !r.enter(maxHeldBytes) || r.enter(1) {
		t.Error("bytes are not counted")
	}

	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, time.Hour))
	p.mu.Lock()
	p.hosts[testHost].room.requests = maxHeld
	p.mu.Unlock()
	if response, _ := get(t, server, "/"); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", response.StatusCode)
	}
}

func dialFront(t *testing.T, address net.Addr) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestHeldRequestsAreServedExactlyOnce lets targets come and go under clients that never repeat.
func TestHeldRequestsAreServedExactlyOnce(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, time.Hour))
	served := make(chan string, 100)
	target := backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { served <- r.URL.Path })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := int64(2); ctx.Err() == nil; n += 2 {
			p.Swap(holding(n, time.Hour, target))
			p.Swap(holding(n+1, time.Hour))
		}
	}()
	results := make(chan int, 100)
	for n := range 100 {
		go func() {
			response, _ := do(t, server, request(t, server, http.MethodPost, fmt.Sprintf("/%d", n), strings.NewReader("x")))
			results <- response.StatusCode
		}()
	}
	for range 100 {
		if status := <-results; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	cancel()
	<-done
	seen := map[string]bool{}
	for range 100 {
		seen[<-served] = true
	}
	if len(seen) != 100 || len(served) != 0 {
		t.Errorf("%d of 100 requests were served, %d twice", len(seen), len(served))
	}
}
