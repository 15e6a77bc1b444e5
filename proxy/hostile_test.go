package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// seen is what an application was asked, in order.
type seen struct {
	mu       sync.Mutex
	requests []string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, fmt.Sprintf("%s %s %s %q", r.Method, r.Host, r.RequestURI, body))
	_, _ = io.WriteString(w, "ok")
}

func (s *seen) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// rawFront is a front that soon closes a connection on which nothing more comes.
func rawFront(t *testing.T, p *Proxy) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(p)
	server.Config = NewServer(p, p.config.Log)
	server.Config.IdleTimeout, server.Config.ReadHeaderTimeout = 50*time.Millisecond, 500*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// send writes raw bytes and returns all that comes back until the server closes.
func send(t *testing.T, server *httptest.Server, raw string) string {
	t.Helper()
	conn := dialFront(t, server.Listener.Addr())
	_, _ = io.WriteString(conn, raw)
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// TestNoRequestIsSmuggled sends what two servers in a row may read in two ways. The application never sees
// the second request that such a text hides.
func TestNoRequestIsSmuggled(t *testing.T) {
	p := newTestProxy(t)
	app := &seen{}
	p.Swap(table(1, backend(t, "a", app.ServeHTTP)))
	server := rawFront(t, p)
	n := 0
	const hidden = "GET /hidden HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n"
	for name, header := range map[string]string{
		"length and chunks":               "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(hidden)) + hidden + "\r\n0\r\n\r\n",
		"two lengths":                     fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n", len(hidden)) + hidden,
		"a list of lengths":               fmt.Sprintf("Content-Length: 0, %d\r\n\r\n", len(hidden)) + hidden,
		"a signed length":                 fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(hidden)) + hidden,
		"a length in hexadecimal":         "Content-Length: 0x0\r\n\r\n" + hidden,
		"a negative length":               "Content-Length: -1\r\n\r\n" + hidden,
		"an unknown coding":               "Transfer-Encoding: xchunked\r\n\r\n" + hidden,
		"two codings":                     "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
		"chunked twice":                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a space before the colon":        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a tab in the coding":             "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n" + hidden,
		"a chunk of a negative size":      "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden,
		"a chunk of too many digits":      "Transfer-Encoding: chunked\r\n\r\n00000000000000000000000000000000000\r\n\r\n" + hidden,
		"a line break within a field":     "X-Field: a\r\n\rTransfer-Encoding: chunked\r\n\r\n" + hidden,
		"a nul within a field":            "X-Field: a\x00b\r\n\r\n" + hidden,
		"a length named as of one hop":    fmt.Sprintf("Connection: Content-Length\r\nContent-Length: %d\r\n\r\n", len(hidden)) + hidden,
		"no colon":                        "Transfer-Encoding chunked\r\n\r\n" + hidden,
		"chunks in trailers of the other": "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 99\r\n\r\n",
	} {
		n++
		own := fmt.Sprintf("POST %s /outer/%d ", testHost, n)
		answer := send(t, server, fmt.Sprintf("POST /outer/%d HTTP/1.1\r\nHost: %s\r\n%s", n, testHost, header))
		asked := app.take()
		if slices.ContainsFunc(asked, func(r string) bool { return !strings.HasPrefix(r, "POST "+testHost+" /outer/") }) {
			t.Errorf("%s: the application saw %q; the client %q", name, asked, answer)
		}
		// One whose body broke off may come to the application late, in the turn of another.
		got := slices.DeleteFunc(asked, func(r string) bool { return !strings.HasPrefix(r, own) })
		if len(got) > 1 {
			t.Errorf("%s: %q", name, got)
		}
		if len(got) == 0 && !strings.HasPrefix(answer, "HTTP/1.1 400") && !strings.HasPrefix(answer, "HTTP/1.1 501") {
			t.Errorf("%s: answered %q", name, answer)
		}
	}
}

func TestHostTricks(t *testing.T) {
	p := newTestProxy(t)
	app := &seen{}
	route := &Route{Targets: []Target{backend(t, "a", app.ServeHTTP)}}
	p.Swap(&Table{Hosts: map[string]*Route{testHost: route, "other.test": {Page: &Page{Code: "other"}}}})
	server := rawFront(t, p)
	for _, c := range []struct {
		name, raw, status, reached string
	}{
		{"two hosts", "GET / HTTP/1.1\r\nHost: " + testHost + "\r\nHost: other.test\r\n\r\n", "400", ""},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400", ""},
		{"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "404", ""},
		{"a user", "GET / HTTP/1.1\r\nHost: other.test@" + testHost + "\r\n\r\n", "400", ""},
		{"a path", "GET / HTTP/1.1\r\nHost: " + testHost + "/other\r\n\r\n", "400", ""},
		{"a space", "GET / HTTP/1.1\r\nHost: " + testHost + " other.test\r\n\r\n", "400", ""},
		{"a quote", "GET / HTTP/1.1\r\nHost: " + testHost + "\"\r\n\r\n", "400", ""},
		{"a final dot", "GET / HTTP/1.1\r\nHost: " + testHost + ".\r\n\r\n", "200", "GET " + testHost + `. / ""`},
		{"capitals", "GET / HTTP/1.1\r\nHost: " + strings.ToUpper(testHost) + "\r\n\r\n", "200", "GET " + strings.ToUpper(testHost) + ` / ""`},
		{"the absolute form counts, not Host", "GET http://other.test/ HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n", "503", ""},
		{"the absolute form", "GET http://" + testHost + "/a?b HTTP/1.1\r\nHost: other.test\r\n\r\n", "200", "GET " + testHost + ` /a?b ""`},
		{"another server by the absolute form", "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n", "404", ""},
		{"another server by CONNECT", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n", "404", ""},
		{"the forwarded host does not route", "GET / HTTP/1.1\r\nHost: other.test\r\nX-Forwarded-Host: " + testHost + "\r\n\r\n", "503", ""},
		{"a header of one hop cannot remove the host", "GET / HTTP/1.1\r\nHost: " + testHost + "\r\nConnection: close, Host, X-Forwarded-For\r\n\r\n", "200", "GET " + testHost + ` / ""`},
	} {
		answer := send(t, server, c.raw)
		if !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) && !strings.HasPrefix(answer, "HTTP/1.0 "+c.status) {
			t.Errorf("%s: %q, want %s", c.name, answer, c.status)
		}
		if got := strings.Join(app.take(), "|"); got != c.reached {
			t.Errorf("%s: the application saw %q, want %q", c.name, got, c.reached)
		}
	}
}

func TestFloodsOfHeadersAreRefused(t *testing.T) {
	p := newTestProxy(t)
	app := &seen{}
	p.Swap(table(1, backend(t, "a", app.ServeHTTP)))
	server := rawFront(t, p)
	for name, header := range map[string]string{
		"many": strings.Repeat("A: b\r\n", maxHeaderFields+1),
		"many names": func() (s string) {
			for n := range 300 {
				s += fmt.Sprintf("A%d: b\r\n", n)
			}
			return s
		}(),
		"big":          "A: " + strings.Repeat("b", 2*maxRequestHeader) + "\r\n",
		"without end":  strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 200),
		"in its name":  strings.Repeat("b", 2*maxRequestHeader) + ": a\r\n",
		"in its start": "\r\nA: b\r\n",
	} {
		answer := send(t, server, "GET / HTTP/1.1\r\nHost: "+testHost+"\r\n"+header+"\r\n")
		if name != "in its start" && !strings.HasPrefix(answer, "HTTP/1.1 431") {
			t.Errorf("%s: %.100q", name, answer)
		}
		if got := app.take(); name != "in its start" && len(got) > 0 {
			t.Errorf("%s: the application saw %q", name, got)
		}
	}
	if answer := send(t, server, "GET /"+strings.Repeat("a", 2*maxRequestHeader)+" HTTP/1.1\r\nHost: "+testHost+"\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 431") {
		t.Errorf("a long path: %.100q", answer)
	}
}

// TestSlowClientsAreLetGo has connections that say nothing, a header byte by byte, nothing of a body, or
// never read, while others go on.
func TestSlowClientsAreLetGo(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", (&seen{}).ServeHTTP)))
	server := httptest.NewUnstartedServer(p)
	server.Config = NewServer(p, p.config.Log)
	if server.Config.ReadHeaderTimeout != headerTimeout || server.Config.IdleTimeout != idleTimeout {
		t.Fatal("without limits")
	}
	server.Config.ReadHeaderTimeout, server.Config.IdleTimeout = 150*time.Millisecond, 150*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	var slow sync.WaitGroup
	for n := range 200 {
		conn := dialFront(t, server.Listener.Addr())
		slow.Go(func() {
			header := "GET / HTTP/1.1\r\nHost: " + testHost + "\r\nX-Slow: " + strings.Repeat("x", 1000)
			for i := range header {
				if n%2 == 0 && i > 0 {
					break // says nothing more
				}
				if _, err := conn.Write([]byte{header[i]}); err != nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
			_, _ = io.Copy(io.Discard, conn) // ends when the server lets go
		})
	}
	if response, _ := get(t, server, "/"); response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	slow.Wait()
	idle := dialFront(t, server.Listener.Addr())
	fmt.Fprintf(idle, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", testHost)
	if all, err := io.ReadAll(idle); err != nil || !strings.HasSuffix(string(all), "ok") {
		t.Errorf("an idle connection: %q %v", all, err)
	}
}

// deadlines is a client's connection that notes them.
type deadlines struct {
	httptest.ResponseRecorder
	read, write []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error  { d.read = append(d.read, at); return nil }
func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = append(d.write, at); return nil }

func TestWhoStallsIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &deadlines{}
		r := &http.Request{ProtoMajor: 1}
		s := newStall(client, r)
		for range 10 {
			s.reading(time.Now())
			s.writing(time.Now())
		}
		if len(client.read) != 1 || time.Until(client.read[0]) != stallLimit || len(client.write) != 1 || time.Until(client.write[0]) != stallLimit {
			t.Errorf("%v %v", client.read, client.write)
		}
		time.Sleep(stallLimit / 5)
		s.reading(time.Now())
		s.writing(time.Now())
		if len(client.read) != 2 || time.Until(client.read[1]) != stallLimit || len(client.write) != 2 {
			t.Errorf("it does not move: %v %v", client.read, client.write)
		}
		s.doneReading()
		s.doneWriting()
		if !client.read[2].IsZero() || !client.write[2].IsZero() {
			t.Errorf("it stays: %v %v", client.read, client.write)
		}
		if newStall(client, &http.Request{ProtoMajor: 2}) != nil {
			t.Error("a stream of HTTP/2 that waits would be cut")
		}
	})
	// And the body and the answer of a real request use it.
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", (&seen{}).ServeHTTP)))
	client := &deadlines{ResponseRecorder: *httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "http://"+testHost+"/", strings.NewReader("body"))
	p.ServeHTTP(client, r)
	if client.Body.String() != "ok" || len(client.read) != 2 || !client.read[1].IsZero() || len(client.write) != 2 || !client.write[1].IsZero() {
		t.Errorf("%q: read %v, write %v", client.Body, client.read, client.write)
	}
}

// tlsFront serves with TLS and HTTP/2.
func tlsFront(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config = NewServer(handler, newTestProxy(t).config.Log)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// askAs asks for a host on a connection that was made for another.
func askAs(t *testing.T, server *httptest.Server, sni, host, protocol string) int {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: protocol == "h2",
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: sni, NextProtos: []string{protocol}}}
	defer transport.CloseIdleConnections()
	r := request(t, server, http.MethodGet, "/", nil)
	r.Host = host
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if want := map[string]int{"h2": 2, "http/1.1": 1}[protocol]; response.ProtoMajor != want {
		t.Fatalf("HTTP/%d", response.ProtoMajor)
	}
	return response.StatusCode
}

func TestAConnectionForAnotherHostIsMisdirected(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", says("ok"))))
	server := tlsFront(t, p)
	for _, c := range []struct {
		sni, host, protocol string
		want                int
	}{
		{testHost, testHost, "h2", 200}, {strings.ToUpper(testHost), testHost + ":8443", "h2", 200},
		{"other.test", testHost, "h2", 421}, {"other.test", testHost, "http/1.1", 200},
	} {
		if got := askAs(t, server, c.sni, c.host, c.protocol); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	trusting := New(Config{Trusted: TrustedProxies{Count: 1}})
	t.Cleanup(trusting.Close)
	r := httptest.NewRequest(http.MethodGet, "https://"+testHost+"/", nil)
	r.ProtoMajor, r.TLS.ServerName = 2, "origin.internal"
	r.Header.Set("X-Forwarded-For", "198.51.100.4")
	if page := refusal(r, trusting.originOf(r, true)); page != nil {
		t.Errorf("a trusted proxy that uses one name for all: %s", page.Code)
	}
}

func TestStreamsOfOneConnectionAreLimited(t *testing.T) {
	server := NewServer(http.NotFoundHandler(), newTestProxy(t).config.Log)
	if c := server.HTTP2; c.MaxConcurrentStreams != maxStreams || c.SendPingTimeout == 0 || c.PingTimeout == 0 || c.WriteByteTimeout == 0 {
		t.Errorf("%+v", c)
	}
}

// TestNoTunnelPastTheProxy tries HTTP/2 in clear text, which would hide requests from what is decided for each.
func TestNoTunnelPastTheProxy(t *testing.T) {
	p := newTestProxy(t)
	headers := make(chan http.Header, 1)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		if r.URL.Path == "/insists" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "h2c")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	})))
	server := rawFront(t, p)
	for path, want := range map[string]string{"/": "200", "/insists": "502"} {
		answer := send(t, server, "GET "+path+" HTTP/1.1\r\nHost: "+testHost+"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("%s: %q", path, answer)
		}
		if got := <-headers; got.Get("Upgrade") != "" || got.Get("Http2-Settings") != "" {
			t.Errorf("%v", got)
		}
	}
}

// TestTheApplicationDecidesAboutForeignOrigins holds that it can: Origin and Host arrive as they were sent.
func TestTheApplicationDecidesAboutForeignOrigins(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil) // compares Origin with Host
		if err == nil {
			_ = c.CloseNow()
		}
	})))
	server := front(t, p)
	for origin, want := range map[string]int{"https://evil.test": http.StatusForbidden, "http://" + testHost: http.StatusSwitchingProtocols} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, response, _ := websocket.Dial(ctx, server.URL, &websocket.DialOptions{Host: testHost, HTTPHeader: http.Header{"Origin": {origin}}})
		cancel()
		if response == nil || response.StatusCode != want {
			t.Errorf("%s: %v", origin, response)
		}
	}
}

// TestAPipelineIsAnsweredInOrder sends several requests at once, of which one is broken.
func TestAPipelineIsAnsweredInOrder(t *testing.T) {
	p := newTestProxy(t)
	app := &seen{}
	p.Swap(table(1, backend(t, "a", app.ServeHTTP)))
	server := rawFront(t, p)
	good := "GET /%d HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n"
	answers := bufio.NewReader(strings.NewReader(send(t, server, fmt.Sprintf(good, 1)+fmt.Sprintf(good, 2)+"GET / HTTP/1.1\r\nBroken\r\n\r\n"+fmt.Sprintf(good, 3))))
	for _, want := range []int{200, 200, 400} {
		response, err := http.ReadResponse(answers, nil)
		if err != nil || response.StatusCode != want {
			t.Fatalf("%v %v, want %d", response, err, want)
		}
		_, _ = io.Copy(io.Discard, response.Body)
	}
	if got := app.take(); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
