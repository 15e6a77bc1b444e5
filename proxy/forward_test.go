package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestRequestsArriveToTheLetter(t *testing.T) {
	p := newTestProxy(t)
	seen := make(chan *http.Request, 1)
	p.Swap(table(1, backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { seen <- r })))
	server := front(t, p)
	for _, target := range []string{
		"/", "/a%2Fb", "/a%20b", "/a//b", "//a", "/../../etc/passwd", "/./a/../b", "/a;b=c", "/%e2%82%ac", "/a?x=1;y=2&z", "/a?%zz", "/a?", "/a?b?c", "/a|b", "/a|b?c|d", "/a^{}", "/*",
	} {
		// A client that tidies nothing.
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s:8443\r\nConnection: close\r\n\r\n", target, testHost)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", target, response.StatusCode)
		} else if r := <-seen; r.RequestURI != target || r.Host != testHost+":8443" {
			t.Errorf("%s arrived as %s at %s", target, r.RequestURI, r.Host)
		}
		response.Body.Close()
		conn.Close()
	}
}

func TestHeadersAboutTheClientCannotBeForged(t *testing.T) {
	p := newTestProxy(t)
	var seen http.Header
	p.Swap(table(1, backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })))
	server := front(t, p)
	forged := []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Anything",
		"Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Cluster-Client-Ip", "X-Original-Host"}
	r := request(t, server, http.MethodGet, "/", nil)
	for _, name := range forged {
		r.Header[name] = []string{"forged", "10.6.6.6"}
		r.Header[strings.ToLower(name)] = []string{"forged"}
	}
	r.Header.Set("Connection", "X-Forwarded-For, X-Keep, close") // naming a header must not remove ours
	r.Header.Set("X-Keep", "1")
	r.Header.Set("Authorization", "kept")
	do(t, server, r)
	for name, values := range seen {
		if strings.Contains(strings.Join(values, ","), "forged") {
			t.Errorf("%s: %v", name, values)
		}
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": testHost, "X-Forwarded-Proto": "http", "X-Real-Ip": "127.0.0.1",
		"Forwarded": `for=127.0.0.1;host="` + testHost + `";proto=http`, "Authorization": "kept", "X-Keep": "",
	} {
		if got := strings.Join(seen[name], "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestHugeHeadersAreRefusedOnBothSides(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", maxResponseHeader))
	})))
	server := front(t, p)
	r := request(t, server, http.MethodGet, "/", nil)
	r.Header.Set("X-Large", strings.Repeat("x", 2*maxRequestHeader))
	if response, _ := do(t, server, r); response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("request: %d", response.StatusCode)
	}
	if response, _ := get(t, server, "/"); response.StatusCode != http.StatusBadGateway {
		t.Errorf("response: %d", response.StatusCode)
	}
}

func TestEventsArriveAsTheyAreSent(t *testing.T) {
	p := newTestProxy(t)
	next := make(chan string)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush() // the browser's onopen comes before any event
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			_ = http.NewResponseController(w).Flush()
		}
	})))
	server := front(t, p)
	response, err := server.Client().Do(request(t, server, http.MethodGet, "/", nil)) // waits for the header
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := textproto.NewReader(bufio.NewReader(response.Body))
	for _, event := range []string{"one", "two", "three"} {
		next <- event
		if line, err := lines.ReadLine(); err != nil || line != "data: "+event {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = lines.ReadLine()
	}
	close(next)
}

func TestBodiesAreStreamedBothWays(t *testing.T) {
	p := newTestProxy(t)
	first := make(chan string, 1)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		begin := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, begin)
		first <- string(begin) // while the client has not sent the rest
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})))
	server := front(t, p)
	reader, writer := io.Pipe()
	const rest = 8 << 20
	go func() {
		_, _ = io.WriteString(writer, "begin")
		<-first
		_, _ = io.CopyN(writer, zeros{}, rest)
		_ = writer.Close()
	}()
	if _, body := do(t, server, request(t, server, http.MethodPost, "/", reader)); body != fmt.Sprint(rest, " <nil>") {
		t.Errorf("got %s", body)
	}
}

func TestHTTP2InFront(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", r.Proto, r.Host, r.Header.Get("X-Forwarded-Proto"))
	})))
	server := httptest.NewUnstartedServer(p)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	response, body := do(t, server, request(t, server, http.MethodGet, "/", nil))
	if response.ProtoMajor != 2 || body != "HTTP/1.1 "+testHost+" https" {
		t.Errorf("HTTP/%d: %s", response.ProtoMajor, body)
	}
}

func TestTrailersAndEarlyHintsPass(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})))
	response, _ := get(t, front(t, p), "/")
	if response.Trailer.Get("X-Sum") != "42" || response.StatusCode != http.StatusOK {
		t.Errorf("%d %v", response.StatusCode, response.Trailer)
	}
}

func TestTargetsTakeTurnsThroughSwaps(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	a, b := backend(t, "a", says("a")), backend(t, "b", says("b"))
	got := map[string]int{}
	for n := range 20 {
		p.Swap(table(int64(n), a, b))
		_, body := get(t, server, "/")
		got[body]++
	}
	if got["a"] != 10 || got["b"] != 10 {
		t.Errorf("%v", got)
	}
}

func refused(id string) Target {
	return Target{ID: id, Port: 3000, Dial: func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}}
}

func TestARequestThatWasNotSentGoesToAnotherTarget(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(table(1, refused("dead"), refused("dead too"), backend(t, "alive", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })))
	for range 6 { // whoever's turn it is
		if response, body := do(t, server, request(t, server, http.MethodPost, "/", strings.NewReader("the body"))); response.StatusCode != 200 || body != "the body" {
			t.Errorf("%d %q", response.StatusCode, body)
		}
	}
	p.Swap(table(2, refused("dead"), refused("dead too")))
	if response, body := get(t, server, "/"); response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "Nothing listens on its port 3000") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	p.Swap(&Table{})
	if !p.Drained("dead") || !p.Drained("dead too") {
		t.Error("a failed request still counts")
	}
}

// dying accepts requests and ends the connection without an answer.
func dying(t *testing.T, id string, requests *atomic.Int64) Target {
	return backend(t, id, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
}

func TestOnlyRequestsThatMayBeRepeatedAreSentTwice(t *testing.T) {
	for _, c := range []struct {
		method string
		body   string
		again  bool
	}{
		{http.MethodGet, "", true}, {http.MethodHead, "", true}, {http.MethodDelete, "", true},
		{http.MethodPost, "", false}, {http.MethodPost, "body", false}, {http.MethodPut, "body", false}, {http.MethodPatch, "", false},
	} {
		p := newTestProxy(t)
		server := front(t, p)
		var tried, answered atomic.Int64
		p.Swap(table(1, dying(t, "dying", &tried), backend(t, "alive", func(http.ResponseWriter, *http.Request) { answered.Add(1) })))
		for range 2 { // one of them comes to the dying target first
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			do(t, server, request(t, server, c.method, "/", body))
		}
		want := int64(1)
		if c.again {
			want = 2
		}
		if tried.Load() == 0 || answered.Load() != want {
			t.Errorf("%s %q: answered %d times, want %d", c.method, c.body, answered.Load(), want)
		}
	}
}

func TestAConnectionThatDiedInThePoolIsReplaced(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	app := httptest.NewServer(says("ok"))
	defer app.Close()
	p.Swap(table(1, targetAt("a", app.Listener.Addr().String())))
	for range 20 {
		if response, _ := get(t, server, "/"); response.StatusCode != http.StatusOK {
			t.Fatalf("status %d", response.StatusCode)
		}
		app.CloseClientConnections()
	}
}

func TestReasonsAreForPeople(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&dialError{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, "Nothing listens on its port 3000."},
		{&dialError{context.DeadlineExceeded}, "It does not accept connections on its port 3000."},
		{&dialError{errors.New("no such instance")}, "A connection to its port 3000 cannot be made."},
		{io.EOF, "It closed the connection before it had answered."},
		{syscall.ECONNRESET, "It closed the connection before it had answered."},
		{errors.New("malformed HTTP response"), "Its answer is not one of HTTP."},
	} {
		if got := reasonOf(c.err, 3000); got != c.want {
			t.Errorf("%v: %s", c.err, got)
		}
	}
}

func TestASlowDialEnds(t *testing.T) {
	p := New(Config{DialTimeout: 20 * time.Millisecond})
	t.Cleanup(p.Close)
	p.Swap(table(1, Target{ID: "slow", Port: 80, Dial: func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}))
	if response, body := get(t, front(t, p), "/"); response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "does not accept connections") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestConnectIsRefused(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", says("reached"))))
	r := httptest.NewRequest(http.MethodConnect, "http://"+testHost, nil)
	r.Host = testHost
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("status %d", w.Code)
	}
}

func TestPages(t *testing.T) {
	page := &Page{Code: "starting", Title: "Starting <b>", Message: `"><script>alert(1)</script>`, Details: []string{"<i>"}, Retry: 1500 * time.Millisecond, Refresh: true}
	ask := func(p *Page, method, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	html := ask(page, http.MethodGet, "text/html,application/xhtml+xml,*/*;q=0.8")
	if html.Code != http.StatusServiceUnavailable || html.Header().Get("Retry-After") != "2" || html.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", html.Code, html.Header())
	}
	contains(t, html.Body.String(), `<meta http-equiv="refresh" content="2">`)
	contains(t, html.Body.String(), "&lt;script&gt;alert(1)")
	for _, raw := range []string{"<script", "<b>", "<i>"} {
		if strings.Contains(html.Body.String(), raw) {
			t.Errorf("%s is not escaped", raw)
		}
	}
	for _, accept := range []string{"application/json", "application/json, text/plain, */*", "application/problem+json"} {
		w := ask(page, http.MethodGet, accept)
		var got struct {
			Status int
			Code   string
			Detail string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Status != 503 || got.Code != "starting" || got.Detail != page.Message {
			t.Errorf("%s: %s", accept, w.Body)
		}
	}
	for _, accept := range []string{"", "*/*", "text/html, application/json", "garbage;;"} {
		if w := ask(page, http.MethodGet, accept); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%q: %s", accept, w.Header().Get("Content-Type"))
		}
	}
	if still := ask(&Page{Title: "Stopped", Retry: time.Minute}, http.MethodGet, ""); bytes.Contains(still.Body.Bytes(), []byte("refresh")) {
		t.Error("a page that must not refreshes")
	}
}

func TestServerLetsSlowClientsGo(t *testing.T) {
	server := NewServer(http.NotFoundHandler(), newTestProxy(t).config.Log)
	if server.ReadHeaderTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Error("without limits")
	}
	if server.ReadTimeout != 0 || server.WriteTimeout != 0 {
		t.Error("long uploads and streams would be cut")
	}
}
