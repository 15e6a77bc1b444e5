package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// flight is a request on its way: the claim that keeps its target from being drained.
type flight struct {
	host   string
	target *target   // nil: nothing is claimed
	tried  []*target // where it failed before
	long   bool      // an upgraded connection or an event stream
	socket *socket   // of a WebSocket
	status int       // that its target answered; zero: none yet
	failed bool      // the target gave no answer, or not the whole of it
	cancel context.CancelCauseFunc

	origin origin
	// bodyBroke: the client did not send the whole of its body.
	bodyBroke atomic.Bool
	guarded   bool // its Authorization was for the route's own password

	client http.ResponseWriter
	conn   net.Conn // the client's, of an upgraded connection
	cut    atomic.Bool
}

type flightKey struct{}

func flightOf(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

// lastWrite is how long a client may take to read what is left for it when its flight is cut.
const lastWrite = 5 * time.Second

// end makes whoever works on the flight stop: at once, or of a WebSocket as is proper. mu is held.
func (p *Proxy) end(f *flight, reason error) {
	switch {
	case f.socket != nil:
		go f.socket.goAway() // ends within its limits, and with the connection
		time.AfterFunc(targetCloseLimit+clientCloseLimit, func() { p.hangUp(f) })
	case f.conn != nil:
		f.cancel(reason)
		_ = f.conn.Close()
	default:
		f.cancel(reason)
		if f.client != nil { // which may have stopped reading
			f.cut.Store(true)
			_ = http.NewResponseController(f.client).SetWriteDeadline(time.Now().Add(lastWrite))
		}
	}
}

// hangUp closes the client's connection, of one who does not read either.
func (p *Proxy) hangUp(f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.conn != nil {
		_ = f.conn.Close()
	}
}

// land ends a flight's claim, leaves the client's connection as it was, and returns where it ended.
func (p *Proxy) land(f *flight) (target string) {
	if f.target != nil {
		target = f.target.key.id
	}
	p.release(f)
	if f.socket != nil {
		_ = f.socket.Close()
	}
	if f.cut.Load() {
		_ = http.NewResponseController(f.client).SetWriteDeadline(time.Time{})
	}
	return target
}

// claim finds the flight's route and, if requests are forwarded there, the target whose turn it is.
// The channel is closed once another table is applied.
func (p *Proxy) claim(f *flight) (*route, *Page, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	route, unknown := p.find(f.host)
	if route != nil && route.forwards() {
		p.move(f, route.pick(nil))
	}
	return route, unknown, p.changed
}

// claimAnother moves the flight to a target where it has not been, and reports whether there is one.
func (p *Proxy) claimAnother(f *flight) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	route, _ := p.find(f.host)
	if route == nil || !route.forwards() {
		return false
	}
	f.tried = append(f.tried, f.target)
	next := route.pick(f.tried)
	if next == nil {
		return false
	}
	f.target.count(true)
	p.move(f, next)
	return true
}

func (p *Proxy) release(f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.target != nil && f.answered() {
		f.target.count(f.failed || f.status >= http.StatusInternalServerError)
	}
	p.move(f, nil)
}

// move takes the flight from where it is to a target, or to none. mu is held.
func (p *Proxy) move(f *flight, to *target) {
	if from := f.target; from != nil {
		delete(from.flights, f)
		p.forgetIfDone(from)
	}
	f.target = to
	if to != nil {
		to.flights[f] = struct{}{}
	}
}

// becomesLong notes that the flight will not end on its own; socket is nil if it is no WebSocket.
func (p *Proxy) becomesLong(f *flight, socket *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.long, f.socket = true, socket
	if f.target != nil && f.target.graceOver {
		p.end(f, errTargetLeft)
	}
}

func (r *route) forwards() bool {
	return r.Redirect == "" && r.Handler == nil && len(r.targets) > 0
}

// pick returns the target whose turn it is, nil if all have been tried.
func (r *route) pick(tried []*target) *target {
	n := uint64(len(r.targets))
	first := r.turn.Add(1)
	for i := range n {
		if t := r.targets[(first+i)%n]; !slices.Contains(tried, t) {
			return t
		}
	}
	return nil
}

// target is the state of a Target; it outlives the tables that the Target stands in. Everything
// that changes is guarded by Proxy.mu.
type target struct {
	key             targetKey
	transport       *http.Transport
	flights         map[*flight]struct{}
	grace, patience time.Duration
	answers         Answers
	lately          lately

	left      bool // the applied table is without it
	graceOver bool
	timers    []*time.Timer
}

func newTarget(key targetKey, dial func(context.Context) (net.Conn, error), timeout time.Duration) *target {
	return &target{
		key:       key,
		flights:   map[*flight]struct{}{},
		transport: newTransport(dial, timeout),
	}
}

var errTargetLeft = errors.New("the target left the table and its time to finish is over")

// leave begins the end of a target that is not in the table any more.
func (t *target) leave(p *Proxy) {
	if t.left {
		return
	}
	t.left = true
	if len(t.flights) == 0 {
		return
	}
	t.timers = []*time.Timer{
		time.AfterFunc(t.grace, func() { p.graceEnds(t) }),
		time.AfterFunc(t.patience, func() { p.cutIfLeft(t, func(f *flight) bool { return !f.long }) }),
	}
}

// graceEnds ends the long flights, and those that become long from now on.
func (p *Proxy) graceEnds(t *target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.left {
		t.graceOver = true
		p.cut(t, errTargetLeft, func(f *flight) bool { return f.long })
	}
}

// cutIfLeft does nothing for a target that came back while its timer was about to fire.
func (p *Proxy) cutIfLeft(t *target, which func(*flight) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.left {
		p.cut(t, errTargetLeft, which)
	}
}

// stay takes back what leave began.
func (t *target) stay() {
	t.left, t.graceOver = false, false
	t.stopTimers()
}

func (p *Proxy) cut(t *target, reason error, which func(*flight) bool) {
	for f := range t.flights {
		if which(f) {
			p.end(f, reason)
		}
	}
}

func (t *target) end() {
	t.stopTimers()
	t.transport.CloseIdleConnections()
}

func (t *target) stopTimers() {
	for _, timer := range t.timers {
		timer.Stop()
	}
	t.timers = nil
}
