package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"
)

// flight is a request on its way: the claim that keeps its target from being drained.
type flight struct {
	host   string
	target *target   // nil: nothing is claimed
	tried  []*target // where it failed before
	long   bool      // an upgraded connection or an event stream
	cancel context.CancelCauseFunc
}

type flightKey struct{}

func flightOf(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

// claim finds the flight's route and, if requests are forwarded there, the target whose turn it is.
func (p *Proxy) claim(f *flight) (*route, *Page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	route, unknown := p.find(f.host)
	if route != nil && route.forwards() {
		p.move(f, route.pick(nil))
	}
	return route, unknown
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
	p.move(f, next)
	return true
}

func (p *Proxy) release(f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

// becomesLong notes that the flight will not end on its own.
func (p *Proxy) becomesLong(f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.long = true
	if f.target != nil && f.target.graceOver {
		f.cancel(errTargetLeft)
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
		time.AfterFunc(t.grace, func() { p.cutIfLeft(t, func(f *flight) bool { return f.long }) }),
		time.AfterFunc(t.patience, func() { p.cutIfLeft(t, func(*flight) bool { return true }) }),
	}
}

// cutIfLeft does nothing for a target that came back while its timer was about to fire.
func (p *Proxy) cutIfLeft(t *target, which func(*flight) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.left {
		t.graceOver = true
		t.cut(errTargetLeft, which)
	}
}

// stay takes back what leave began.
func (t *target) stay() {
	t.left, t.graceOver = false, false
	t.stopTimers()
}

func (t *target) cut(reason error, which func(*flight) bool) {
	for f := range t.flights {
		if which(f) {
			f.cancel(reason)
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
