package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// Idle connections to a target are let go before the usual servers do it (gunicorn after 2 s,
	// Node and uvicorn after 5 s): a POST that meets a closing connection cannot be sent again.
	// A new connection costs a millisecond at most.
	idleConnectionLife  = time.Second
	idleConnections     = 64
	maxResponseHeader   = 1 << 20
	expectContinueLimit = time.Second
	copyBuffer          = 64 << 10 // fewer calls for big answers; only while one is on its way
)

func newTransport(dial func(context.Context) (net.Conn, error), timeout time.Duration) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			conn, err := dial(ctx)
			if err != nil {
				return nil, &dialError{err}
			}
			return conn, nil
		},
		DisableCompression:     true, // what the client may read was asked by the client
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleConnectionLife,
		MaxResponseHeaderBytes: maxResponseHeader,
		ExpectContinueTimeout:  expectContinueLimit,
	}
}

// dialError says that nothing of the request has been sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return "dial target: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (p *Proxy) newReverseProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:   p.rewrite,
		Transport: roundTripper(p.roundTrip),
		// What has no length, and event streams, ReverseProxy passes on at once; the rest of an answer that
		// has one waits for at most 4 KB of company, which saves a packet for each.
		FlushInterval:  0,
		ModifyResponse: p.note,
		ErrorHandler:   p.explain,
		ErrorLog:       slog.NewLogLogger(p.config.Log.Handler(), slog.LevelDebug),
		BufferPool:     &bufferPool{},
	}
}

func (p *Proxy) forward(w *response, r *http.Request) {
	if r.Method == http.MethodConnect {
		connectPage.ServeHTTP(w, r)
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = body{r.Body, w.stall, w.flight}
	}
	p.reverse.ServeHTTP(w, r)
	w.stall.doneWriting()
}

// rewrite leaves the request as the client sent it, path and query to the letter, but for what
// says where it came from. ReverseProxy took the forwarding headers of the client out before.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme = "http"
	r.Out.URL.Host = "target" // one pool of connections per transport, whatever the host
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	keepPath(r)
	r.Out.Host = r.In.Host
	f := flightOf(r.In.Context())
	setForwarded(r, f.origin)
	if strings.EqualFold(r.In.Header.Get("Upgrade"), "h2c") {
		// HTTP/2 inside would pass by everything that is decided here for each request. It is obsolete (RFC 9113, 3.1).
		delete(r.Out.Header, "Upgrade")
		delete(r.Out.Header, "Connection")
		delete(r.Out.Header, "Http2-Settings")
	}
	if f.guarded {
		delete(r.Out.Header, "Authorization")
	}
}

// keepPath keeps what package url would write another way, like an unescaped "|".
func keepPath(r *httputil.ProxyRequest) {
	raw, _, _ := strings.Cut(r.In.RequestURI, "?")
	if raw == r.In.URL.EscapedPath() || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return
	}
	r.Out.URL.Opaque = raw
}

type roundTripper func(*http.Request) (*http.Response, error)

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// roundTrip sends a request to the target that its flight has claimed, and to another one where
// that is safe.
func (p *Proxy) roundTrip(r *http.Request) (*http.Response, error) {
	f := flightOf(r.Context())
	if f == nil {
		return nil, errors.New("round trip: the request has no flight")
	}
	again := secondChance{began: time.Now()}
	for {
		attempt := *r
		if r.Body != nil {
			attempt.Body = keptOpen{r.Body}
		}
		response, err := f.target.transport.RoundTrip(&attempt)
		if err == nil || !isRepeatable(r, err) || !p.claimAnother(f) && !p.claimAfterChange(r, f, &again) {
			return response, err
		}
	}
}

// isRepeatable reports whether a failed request may be sent a second time: nothing of it was sent,
// or sending it twice is the same as sending it once.
func isRepeatable(r *http.Request, err error) bool {
	if r.Context().Err() != nil {
		return false
	}
	if dial := (*dialError)(nil); errors.As(err, &dial) {
		return true
	}
	if r.Body != nil && r.Body != http.NoBody {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// keptOpen is a body that a transport cannot close, because another one may need it. The server
// closes it when the handler returns.
type keptOpen struct{ io.Reader }

func (keptOpen) Close() error { return nil }

// note keeps what the flight has to know of its answer.
func (p *Proxy) note(response *http.Response) error {
	ctx := response.Request.Context()
	f := flightOf(ctx)
	f.status = response.StatusCode
	switch target, upgraded := response.Body.(io.ReadWriteCloser); {
	case upgraded && isWebSocket(response):
		socket := newSocket(target)
		response.Body = socket
		p.becomesLong(f, socket)
	case isLong(response):
		p.becomesLong(f, nil)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		response.Body = answer{response.Body, ctx, f}
	}
	return nil
}

func isLong(response *http.Response) bool {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == "text/event-stream"
}

// explain answers for a target that did not.
func (p *Proxy) explain(w http.ResponseWriter, r *http.Request, err error) {
	f := flightOf(r.Context())
	cause := context.Cause(r.Context())
	switch {
	case errors.Is(cause, errTargetLeft), errors.Is(cause, errClosing):
		if r.ProtoMajor == 1 { // the connection has a deadline now
			w.Header().Set("Connection", "close")
		}
		replacedPage.ServeHTTP(w, r)
	case r.Context().Err() != nil:
		// Whoever asked is gone; nobody reads an answer.
	case f.bodyBroke.Load():
		badBodyPage.ServeHTTP(w, r)
	default:
		f.failed = true
		p.config.Log.Debug("target does not answer", "host", f.host, "target", f.target.key.id, "port", f.target.key.port, "error", err)
		unreachablePage(f.target.key.port, err).ServeHTTP(w, r)
	}
}

// reasonOf says why a target does not answer, in words.
func reasonOf(err error, port int) string {
	var dial *dialError
	isDial := errors.As(err, &dial)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing listens on its port %d.", port)
	case isDial && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)):
		return fmt.Sprintf("It does not accept connections on its port %d.", port)
	case isDial:
		return fmt.Sprintf("A connection to its port %d cannot be made.", port)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "It closed the connection before it had answered."
	default:
		return "Its answer is not one of HTTP."
	}
}

// bufferPool lets copies share their buffers.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, copyBuffer)
}

func (b *bufferPool) Put(buffer []byte) { b.pool.Put(&buffer) }
