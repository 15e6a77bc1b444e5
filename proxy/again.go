package proxy

import (
	"net/http"
	"time"
)

// changeExpected is how long a request whose targets all failed it waits for another table: an instance that
// ended is gone from it at once, and what takes over stands there.
const changeExpected = 3 * time.Second

// secondChance bounds what a request waits for in all.
type secondChance struct{ began time.Time }

// claimAfterChange moves a flight that no target could take to one of a newer table, and reports whether there
// is any. It waits for that as long as the route has its requests wait; blocks until then.
func (p *Proxy) claimAfterChange(r *http.Request, f *flight, again *secondChance) bool {
	size := heldBytes(r)
	route, changed := p.routeOf(f)
	if route == nil || route.Hold <= 0 || !p.enter(route.room, size) {
		return false
	}
	defer p.leave(route.room, size)
	limit := min(changeExpected, route.Hold)
	for {
		rest := limit - time.Since(again.began)
		if rest <= 0 || !waitFor(r, changed, rest) {
			return false
		}
		if p.claimFresh(f) {
			return true
		}
		if route, changed = p.routeOf(f); !route.holds() {
			return false
		}
		limit = route.Hold
	}
}

func (p *Proxy) routeOf(f *flight) (*route, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	route, _ := p.find(f.host)
	return route, p.changed
}

// claimFresh moves the flight to any target of the present table, tried or not: it may be back.
func (p *Proxy) claimFresh(f *flight) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	route, _ := p.find(f.host)
	if route == nil || !route.forwards() {
		return false
	}
	f.target.count(true)
	f.tried = nil
	p.move(f, route.pick(nil))
	return true
}
