package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnswersAreCountedByTarget(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	a := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/404":
			w.WriteHeader(http.StatusNotFound)
		case "/breaks":
			w.Header().Set("Content-Length", "100000")
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = io.WriteString(w, strings.Repeat("begin", 5000)) // more than is kept back for company
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/dies":
			panic(http.ErrAbortHandler)
		}
	})
	p.Swap(table(1, a))
	ask := func(path string) {
		response, err := server.Client().Transport.RoundTrip(request(t, server, http.MethodGet, path, nil))
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	}
	counts := func(id string, want Answers) {
		t.Helper()
		eventually(t, "counted", func() bool { return p.Answers(id).Requests >= want.Requests })
		if got := p.Answers(id); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	for n, c := range []struct {
		path     string
		failures uint64
	}{{"/", 0}, {"/404", 0}, {"/500", 1}, {"/breaks", 2}, {"/dies", 3}} {
		ask(c.path)
		counts("a", Answers{uint64(n) + 1, c.failures})
	}
	p.Swap(table(2, a, backend(t, "b", says("b")))) // counts live through swaps
	ask("/")
	ask("/")
	counts("a", Answers{6, 3})
	counts("b", Answers{1, 0})
	p.Swap(&Table{})
	counts("a", Answers{})
}

func TestATargetThatRefusesConnectionsFails(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(table(1, refused("dead"), backend(t, "alive", says("ok"))))
	for range 4 {
		get(t, server, "/")
	}
	if dead, alive := p.Answers("dead"), p.Answers("alive"); dead.Requests == 0 || dead.Failures != dead.Requests || alive != (Answers{4, 0}) {
		t.Errorf("dead %+v, alive %+v", dead, alive)
	}
}

func TestABodyThatBreaksIsNoFailureOfItsTarget(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })))
	answer := send(t, rawFront(t, p), "POST / HTTP/1.1\r\nHost: "+testHost+"\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400") {
		t.Errorf("answered %q", answer)
	}
	if got := p.Answers("a"); got != (Answers{}) {
		t.Errorf("%+v", got)
	}
}

func TestWhatAClientBreaksOffIsNoFailureOfItsTarget(t *testing.T) {
	p := newTestProxy(t)
	g := newGate()
	p.Swap(table(1, backend(t, "a", g.ServeHTTP)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "http://"+testHost+"/", nil))
	}()
	<-g.arrived
	cancel()
	<-done
	if got := p.Answers("a"); got != (Answers{}) {
		t.Errorf("%+v", got)
	}
}
