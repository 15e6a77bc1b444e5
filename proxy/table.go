package proxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Table says what answers for every host. Whoever hands it to Swap does not change it any more.
type Table struct {
	// Version is the caller's own count, given back by Proxy.Version once the table is applied.
	Version int64
	// Hosts are the routes by host name: without port, in any case.
	Hosts map[string]*Route
	// Unknown answers for every other host; nil: a page that says that there is none.
	Unknown *Page
}

// Route says what answers for a host: the first of Redirect, Handler, Targets and Page that is set.
type Route struct {
	// Key is the caller's own name for the route in a Record; empty: no records.
	Key string
	// Redirect is the host that took this one's place; path and query are kept.
	Redirect string
	// Handler answers itself.
	Handler http.Handler
	// Targets share the requests, in turn.
	Targets []Target
	// Page tells people why nothing answers yet, or any more.
	Page *Page
	// PlainHTTP lets the host answer without TLS, where others redirect to it.
	PlainHTTP bool
	// Grace is how long upgraded connections and event streams may go on after their target
	// left the table: they rarely end on their own, and their clients connect again. A WebSocket
	// is then closed with code 1001 (RFC 6455, 7.4.1). Zero: 5 minutes.
	Grace time.Duration
	// Patience is the same for every other request. Zero: 30 s.
	Patience time.Duration
	// Hold is how long a request waits for a target while there is none, before Page answers. Zero: not at all.
	// At most 2048 requests of a host wait, with 16 MB in memory; a body above 64 KB is not read meanwhile.
	Hold time.Duration
	// Waits is asked, on its goroutine, whether a request may wait; false: Page answers at once. Nil: all may.
	Waits func(r *http.Request) bool
	// Allow lists the networks whose clients may ask; empty: all.
	Allow []netip.Prefix
	// Password checks the name and password (RFC 7617) that the host asks for; nil: it asks for none.
	Password func(name, password string) bool
}

const (
	defaultGrace    = 5 * time.Minute
	defaultPatience = 30 * time.Second
)

// Target is one place that answers requests. Targets of equal ID and Port reach the same place,
// in whatever table they stand: the connections made for one serve the other.
type Target struct {
	// ID is what Drained is asked about; several targets (ports) may share one.
	ID string
	// Port tells targets of one ID apart, and people where nothing listens.
	Port int
	// Dial connects to the target.
	Dial func(ctx context.Context) (net.Conn, error)
}

// hostname returns the key of a Host header's value: no port, no final dot, lower case.
func hostname(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
