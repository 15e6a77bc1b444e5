package proxy

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/klauspost/compress/gzip"
)

// statusClientGone stands for requests whose client left before there was an answer, as nginx has it.
const statusClientGone = 499

// maxRecordedPath bounds what a record keeps of a path.
const maxRecordedPath = 2048

// Record is what became of one request. There is no query in it, since queries carry secrets.
type Record struct {
	Time      time.Time // when the header had come
	Key       string    // of the route
	Host      string    // without port, lower case
	Method    string
	Path      string // as it was sent, percent-encoded
	Protocol  string // HTTP/1.1
	Status    int    // 499: the client left before there was one
	Bytes     int64  // of the answer's body; of an upgraded connection zero
	Duration  time.Duration
	FirstByte time.Duration // until the answer's header was sent; zero: none was
	Client    netip.Addr
	Target    string // the ID of the one that answered, empty if none was asked
}

// response is a client's ResponseWriter that remembers what was answered, and which connection was
// taken over.
type response struct {
	http.ResponseWriter
	proxy     *Proxy
	flight    *flight
	request   *http.Request
	gzip      *gzip.Writer // nil: as the application wrote it
	begun     bool         // something of the body was written
	stall     *stall       // nil: without
	status    int
	bytes     int64
	firstByte time.Time
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader is that of http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status, w.firstByte = status, time.Now()
		w.encode(status)
		w.moving(w.firstByte)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is that of http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.begun {
		w.moving(time.Now())
	}
	w.begun = true
	if w.gzip != nil {
		return w.gzip.Write(b)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// moving lets the client have its time again, unless what it gets is being cut.
func (w *response) moving(now time.Time) {
	if !w.flight.cut.Load() {
		w.stall.writing(now)
	}
}

// Hijack is that of http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.proxy.mu.Lock()
	defer w.proxy.mu.Unlock()
	w.flight.conn = conn
	if err == nil && w.status == 0 {
		w.status, w.firstByte = http.StatusSwitchingProtocols, time.Now()
	}
	return conn, buffer, err
}

// record tells about a request that is over.
func (p *Proxy) record(route *route, r *http.Request, w *response, began time.Time, target string) {
	if route == nil {
		return
	}
	took, status := time.Since(began), w.status
	if status == 0 {
		status = statusClientGone
	}
	route.tally.add(status, took)
	if p.config.Record == nil || route.Key == "" {
		return
	}
	record := Record{
		Time: began, Key: route.Key, Host: w.flight.host, Method: r.Method, Path: r.URL.EscapedPath(), Protocol: r.Proto,
		Status: status, Bytes: w.bytes, Duration: took, Client: w.flight.origin.client, Target: target,
	}
	if w.status != 0 {
		record.FirstByte = w.firstByte.Sub(began)
	}
	if len(record.Path) > maxRecordedPath {
		record.Path = record.Path[:maxRecordedPath]
	}
	p.config.Record(record)
}
