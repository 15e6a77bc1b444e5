// Package proxy is the data plane: it answers requests from an immutable table that is swapped as
// a whole, and knows of every target whether anything is still being served from it.
//
// It knows net/http and nothing of ours: not deployments, releases or engines, nor why a target
// is in the table.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Proxy is made of. The zero Config is good.
type Config struct {
	// Trusted are the proxies in front whose word about a request's origin counts.
	Trusted TrustedProxies
	// DialTimeout is how long a target may take to accept a connection. Zero: 10 s.
	DialTimeout time.Duration
	// Record is told about every request that is over, of routes that have a Key. It is called by the
	// request's own goroutine and must not block. Nil: nobody is told.
	Record func(Record)
	Log    *slog.Logger // nil: slog.Default
}

const defaultDialTimeout = 10 * time.Second

// Proxy serves the table that was last handed to Swap. Its methods are safe for concurrent use.
type Proxy struct {
	config  Config
	reverse *httputil.ReverseProxy
	gzips   gzips

	// A request finds its route and claims a target under mu, and works outside it: so a target
	// that is in no table and has no flight cannot get one any more.
	mu      sync.Mutex
	version int64
	hosts   map[string]*route
	unknown *Page
	targets map[targetKey]*target // of the table, and those that left it with flights
	byID    map[string]int        // how many of targets have the ID
	changed chan struct{}         // closed by the next Swap
	held    int
}

type targetKey struct {
	id   string
	port int
}

// route is a Route with the targets' states.
type route struct {
	*Route
	targets []*target
	turn    *atomic.Uint64 // outlives swaps, or frequent ones would favour the first target
	room    *room          // as well
	tally   *tally         // as well
}

// New returns a Proxy with an empty table.
func New(config Config) *Proxy {
	if config.DialTimeout == 0 {
		config.DialTimeout = defaultDialTimeout
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	p := &Proxy{config: config, targets: map[targetKey]*target{}, byID: map[string]int{}, changed: make(chan struct{})}
	p.reverse = p.newReverseProxy()
	return p
}

// Swap puts t in the place of the present table, at once for every request that comes from now on.
// Requests in flight go on where they are.
func (p *Proxy) Swap(t *Table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	staying := map[*target]bool{}
	hosts := make(map[string]*route, len(t.Hosts))
	for name, r := range t.Hosts {
		name = hostname(name)
		hosts[name] = p.newRoute(r, p.hosts[name], staying)
	}
	p.version, p.hosts, p.unknown = t.Version, hosts, t.Unknown
	close(p.changed)
	p.changed = make(chan struct{})
	for _, state := range p.targets {
		if staying[state] {
			state.stay()
			continue
		}
		state.leave(p)
		p.forgetIfDone(state)
	}
}

// newRoute must be called with mu held, as must all methods below that do not say otherwise.
func (p *Proxy) newRoute(r *Route, before *route, staying map[*target]bool) *route {
	out := &route{Route: r, turn: new(atomic.Uint64), room: new(room), tally: new(tally)}
	if before != nil {
		out.turn, out.room, out.tally = before.turn, before.room, before.tally
	}
	for _, wanted := range r.Targets {
		state := p.stateOf(wanted)
		if !staying[state] {
			state.grace, state.patience = 0, 0 // what the last table said
		}
		staying[state] = true
		state.grace = max(state.grace, orDefault(r.Grace, defaultGrace))
		state.patience = max(state.patience, orDefault(r.Patience, defaultPatience))
		out.targets = append(out.targets, state)
	}
	return out
}

func (p *Proxy) stateOf(wanted Target) *target {
	key := targetKey{wanted.ID, wanted.Port}
	state := p.targets[key]
	if state == nil {
		state = newTarget(key, wanted.Dial, p.config.DialTimeout)
		p.targets[key] = state
		p.byID[key.id]++
	}
	return state
}

// forgetIfDone ends a target that has left the table once its last flight is over.
func (p *Proxy) forgetIfDone(t *target) {
	if !t.left || len(t.flights) > 0 {
		return
	}
	t.end()
	delete(p.targets, t.key)
	if p.byID[t.key.id]--; p.byID[t.key.id] == 0 {
		delete(p.byID, t.key.id)
	}
}

// Version returns that of the applied table.
func (p *Proxy) Version() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// Drained reports whether no target of the ID is in the applied table and none of its requests
// and upgraded connections is in flight. It is then safe to end what the ID stands for.
func (p *Proxy) Drained(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id] == 0
}

var errClosing = errors.New("the proxy is closing")

// Close empties the table and ends every request in flight, WebSockets with a Close frame: they get up
// to 4 s to answer it. Close the servers in front first.
func (p *Proxy) Close() {
	p.Swap(&Table{})
	for _, socket := range p.cutAll(errClosing) {
		<-socket.closed
	}
}

func (p *Proxy) cutAll(reason error) (sockets []*socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.targets {
		for f := range t.flights {
			if f.socket != nil {
				sockets = append(sockets, f.socket)
			}
		}
		p.cut(t, reason, func(*flight) bool { return true })
	}
	return sockets
}

// ServeHTTP answers by the table, whatever the scheme. Plain HTTP belongs to Plain.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.serve(w, r, true) }

// Applications returns a handler that is like the proxy itself, but knows no host that is
// answered by a Handler, and trusts no proxies: for clients who may reach applications and nothing else.
func (p *Proxy) Applications() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, false) })
}

func (p *Proxy) serve(client http.ResponseWriter, r *http.Request, handlers bool) {
	began := time.Now()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	f := &flight{host: hostname(r.Host), cancel: cancel, client: client, origin: p.originOf(r, handlers)}
	w := &response{ResponseWriter: client, proxy: p, flight: f, request: r}
	if page := refusal(r, f.origin); page != nil {
		page.ServeHTTP(w, r)
		return
	}
	route, unknown, changed := p.claim(f)
	if route != nil {
		counts := route.tally
		counts.inFlight.Add(1)
		defer counts.inFlight.Add(-1)
	}
	defer func() { p.record(route, r, w, began, p.land(f)) }()
	if !route.admit(w, r, f) {
		return
	}
	if route.holds() {
		route, unknown = p.waitForTarget(w, r, f, route, changed)
		if !route.admit(w, r, f) {
			return
		}
	}
	switch {
	case route == nil, route.Handler != nil && !handlers:
		unknown.ServeHTTP(w, r)
	case route.Redirect != "":
		redirectToHost(w, r, f.origin.proto, route.Redirect)
	case route.Handler != nil:
		route.Handler.ServeHTTP(w, f.origin.seenFrom(r))
	case f.target != nil:
		w.stall = newStall(client, r)
		p.forward(w, r.WithContext(context.WithValue(ctx, flightKey{}, f)))
		w.finish()
	case route.Page != nil:
		route.Page.ServeHTTP(w, r)
	default:
		noTargetPage.ServeHTTP(w, r)
	}
}

// originOf trusts proxies at the front doors only.
func (p *Proxy) originOf(r *http.Request, front bool) origin {
	if !front {
		return TrustedProxies{}.originOf(r)
	}
	return p.config.Trusted.originOf(r)
}

// find returns what the table has for a host, and the page for hosts that it does not have.
func (p *Proxy) find(host string) (*route, *Page) {
	unknown := p.unknown
	if unknown == nil {
		unknown = unknownHostPage
	}
	return p.hosts[host], unknown
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
