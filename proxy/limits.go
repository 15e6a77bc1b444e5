package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// maxHeaderFields bounds the fields of a request beside their size: each costs every part that looks at them.
	maxHeaderFields = 200
	// stallLimit is how long a client of HTTP/1 may neither send nor take a byte while it is its turn. HTTP/2
	// has its own (NewServer).
	stallLimit = 2 * time.Minute
)

var (
	manyHeadersPage = &Page{
		Status: http.StatusRequestHeaderFieldsTooLarge, Code: "too_many_headers",
		Title: "Too many header fields", Message: "A request may have at most 200 header fields.",
	}
	badHostPage = &Page{
		Status: http.StatusBadRequest, Code: "bad_host",
		Title: "No host", Message: "The request's Host is not the name of a host.",
	}
	badBodyPage = &Page{
		Status: http.StatusBadRequest, Code: "bad_body",
		Title: "The request broke off", Message: "The body of the request did not come as a whole, or not as HTTP has it.",
	}
	misdirectedPage = &Page{
		Status: http.StatusMisdirectedRequest, Code: "misdirected",
		Title: "Another connection is needed", Message: "This connection was made for another host.",
	}
)

// refusal is the answer to a request that nobody means well with, nil for others.
func refusal(r *http.Request, o origin) *Page {
	fields := 0
	for _, values := range r.Header {
		fields += len(values)
	}
	switch {
	case fields > maxHeaderFields:
		return manyHeadersPage
	case r.Host != "" && !isHostHeader(r.Host):
		return badHostPage
	case isMisdirected(r) && len(o.proxies) == 0: // a proxy in front may use one name for all
		return misdirectedPage
	}
	return nil
}

// isMisdirected reports whether a connection of HTTP/2 that was made for one host is used for another (RFC
// 9110, 15.5.20): each of our hosts has a certificate of its own, so no browser means to.
func isMisdirected(r *http.Request) bool {
	return r.ProtoMajor >= 2 && r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, hostname(r.Host))
}

// stall keeps the deadlines of a client's connection moving while bytes move. Setting one is cheap, and is
// done at most ten times within the limit.
type stall struct {
	control     *http.ResponseController
	read, write time.Time // when they were set; zero: they are not
}

func newStall(w http.ResponseWriter, r *http.Request) *stall {
	if r.ProtoMajor != 1 {
		return nil // deadlines of HTTP/2 end a stream that is only waiting
	}
	return &stall{control: http.NewResponseController(w)}
}

func (s *stall) reading(now time.Time) {
	if s != nil && now.Sub(s.read) > stallLimit/10 {
		s.read = now
		_ = s.control.SetReadDeadline(now.Add(stallLimit))
	}
}

// doneReading takes the deadline back: what is read from now on only tells whether the client is there.
func (s *stall) doneReading() {
	if s != nil && !s.read.IsZero() {
		s.read = time.Time{}
		_ = s.control.SetReadDeadline(time.Time{})
	}
}

func (s *stall) writing(now time.Time) {
	if s != nil && now.Sub(s.write) > stallLimit/10 {
		s.write = now
		_ = s.control.SetWriteDeadline(now.Add(stallLimit))
	}
}

func (s *stall) doneWriting() {
	if s != nil && !s.write.IsZero() {
		_ = s.control.SetWriteDeadline(time.Time{})
	}
}

// body is a client's: it may not stall, and when it breaks off that is no fault of the target.
type body struct {
	io.ReadCloser
	stall  *stall
	flight *flight
}

func (b body) Read(into []byte) (int, error) {
	b.stall.reading(time.Now())
	n, err := b.ReadCloser.Read(into)
	if err != nil {
		b.stall.doneReading()
		if !errors.Is(err, io.EOF) {
			b.flight.bodyBroke.Store(true)
		}
	}
	return n, err
}
