package proxy

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// maxHeld and maxHeldBytes bound what waits for a target of one host: requests, and what of them is in
// memory. Who comes above that gets the page at once.
const (
	maxHeld      = 2048
	maxHeldBytes = 16 << 20
	maxEarlyBody = 64 << 10
)

// room is where requests for one host wait. Proxy.mu guards it.
type room struct {
	requests int
	bytes    int64
}

func (r *room) enter(size int64) bool {
	if r.requests >= maxHeld || r.bytes+size > maxHeldBytes {
		return false
	}
	r.requests++
	r.bytes += size
	return true
}

func (r *room) leave(size int64) {
	r.requests--
	r.bytes -= size
}

// holds reports whether requests wait: nothing answers, and that may change.
func (r *route) holds() bool {
	return r != nil && r.Redirect == "" && r.Handler == nil && len(r.targets) == 0 && r.Hold > 0
}

// waitForTarget claims like claim, as soon as the route has a target, as long as its Hold says and the
// client stays.
func (p *Proxy) waitForTarget(w http.ResponseWriter, r *http.Request, f *flight, route *route, changed <-chan struct{}) (_ *route, unknown *Page) {
	place, size := route.room, heldBytes(r)
	if !p.enter(place, size) {
		return route, nil
	}
	defer p.leave(place, size)
	early := readEarly(w, r)
	began := time.Now()
	for {
		rest := route.Hold - time.Since(began)
		if rest <= 0 || route.Waits != nil && !route.Waits(r) || !waitFor(r, changed, rest) {
			early.finish(false)
			return route, unknown
		}
		if route, unknown, changed = p.claim(f); !route.holds() {
			early.finish(f.target != nil || route != nil && route.Handler != nil)
			return route, unknown
		}
	}
}

// waitFor reports whether the table changed before the time was over or the client went away.
func waitFor(r *http.Request, changed <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-changed:
		return true
	case <-timer.C:
	case <-r.Context().Done():
	}
	return false
}

func (p *Proxy) enter(place *room, size int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !place.enter(size) {
		return false
	}
	p.held++
	return true
}

func (p *Proxy) leave(place *room, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place.leave(size)
	p.held--
}

// Held counts the requests that wait for a target at present.
func (p *Proxy) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// heldBytes is about what a waiting request has in memory.
func heldBytes(r *http.Request) int64 {
	size := len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if isReadEarly(r) {
		return int64(size) + r.ContentLength
	}
	return int64(size)
}

// earlyBody is a small body that is read while its request waits: net/http notices only after the end
// of the body that a client of HTTP/1 went away. Bigger ones stay with the client, and their
// requests wait to the end.
type earlyBody struct {
	control *http.ResponseController
	header  http.Header
	read    chan struct{}
	content bytes.Reader
	err     error
}

func isReadEarly(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ContentLength > 0 && r.ContentLength <= maxEarlyBody
}

// readEarly returns nil where there is nothing to read.
func readEarly(w http.ResponseWriter, r *http.Request) *earlyBody {
	if !isReadEarly(r) {
		return nil
	}
	e := &earlyBody{control: http.NewResponseController(w), header: w.Header(), read: make(chan struct{})}
	body := r.Body
	go func() {
		defer close(e.read)
		var content []byte
		content, e.err = io.ReadAll(body)
		e.content.Reset(content)
	}()
	r.Body = readWhole{e, body}
	return e
}

// finish ends the reading. A body that is not wanted any more is not waited for, which costs the client its connection.
func (e *earlyBody) finish(wanted bool) {
	if e == nil || wanted {
		return
	}
	select {
	case <-e.read:
		return
	default:
	}
	e.header.Set("Connection", "close")
	if e.control.SetReadDeadline(time.Now()) == nil {
		<-e.read
	}
}

// readWhole hands out an early body.
type readWhole struct {
	early *earlyBody
	io.Closer
}

func (b readWhole) Read(into []byte) (int, error) {
	<-b.early.read
	n, err := b.early.content.Read(into)
	if err == io.EOF && b.early.err != nil {
		err = b.early.err
	}
	return n, err
}
