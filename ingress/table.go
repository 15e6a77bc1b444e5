package ingress

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/proxy"
)

// liveGrace is how long an upgraded connection stays with a replaced instance in development, where that
// one is gone already. Elsewhere the proxy's defaults hold: 5 minutes, and 30 s for plain requests.
const liveGrace = time.Second

// tableContext is what a table needs besides the deployments.
type tableContext struct {
	hostName func(label string) string
	handlers map[string]http.Handler
	dial     func(ctx context.Context, instance string, port int) (net.Conn, error)
	password func(hash string) func(name, password string) bool
	hold     time.Duration
	wake     func(berth.ID)
	drain    time.Duration
	now      time.Time
}

// buildTable is the whole proxy table. It is pure: equal input gives equal routes.
func buildTable(states []state, c tableContext) *proxy.Table {
	table := &proxy.Table{Hosts: map[string]*proxy.Route{}}
	for _, s := range states {
		for _, h := range s.hosts {
			name := strings.ToLower(c.hostName(h.Label))
			route := c.routeOf(s, h)
			if route == nil {
				continue
			}
			route.Key, route.PlainHTTP = routeKey(s.deployment.ID, h.Element), isLocalhost(name)
			table.Hosts[name] = route
		}
	}
	for _, s := range states {
		c.addDomains(table, s, s.domains)
	}
	for _, s := range states { // a name that somebody added goes before one that a project's domain gives
		c.addDomains(table, s, s.below)
	}
	// Last, so that no application's host can take the place of one of ours.
	for name, handler := range c.handlers {
		name = strings.ToLower(name)
		table.Hosts[name] = &proxy.Route{Handler: handler} // never without TLS: tokens and links go there
	}
	return table
}

// addDomains leads what is proven where the generated host of the same element leads, or has it redirect to another
// domain once that serves. It takes no name that stands in the table already.
func (c tableContext) addDomains(table *proxy.Table, s state, domains []berth.Domain) {
	for _, d := range domains {
		if _, taken := table.Hosts[d.Name]; taken || !d.Proven {
			continue
		}
		if route := c.domainRoute(s, d, domains); route != nil {
			route.Key = routeKey(s.deployment.ID, d.Element)
			table.Hosts[d.Name] = route
		}
	}
}

// domainRoute is nil for a domain that leads nowhere yet.
func (c tableContext) domainRoute(s state, d berth.Domain, among []berth.Domain) *proxy.Route {
	if d.RedirectTo != "" {
		if !slices.ContainsFunc(among, func(to berth.Domain) bool { return to.Name == d.RedirectTo && to.Proven && to.RedirectTo == "" }) {
			return nil
		}
		return &proxy.Route{Redirect: d.RedirectTo}
	}
	at := slices.IndexFunc(s.hosts, func(h berth.Host) bool {
		return h.RedirectTo == "" && h.Element == d.Element && h.Identifier == d.Identifier
	})
	if at < 0 {
		return nil
	}
	return c.routeOf(s, s.hosts[at])
}

// routeKey says whose requests a route's are; DeploymentOf and RequestOf read it.
func routeKey(deployment berth.ID, element string) string { return string(deployment) + "/" + element }

// DeploymentOf says whose a route's key is.
func DeploymentOf(key string) berth.ID {
	id, _, _ := strings.Cut(key, "/")
	return berth.ID(id)
}

// RequestOf turns the proxy's record of a request into ours, and says whose it is.
func RequestOf(r proxy.Record) (deployment berth.ID, request berth.Request) {
	_, element, _ := strings.Cut(r.Key, "/")
	return DeploymentOf(r.Key), berth.Request{
		Time: r.Time, Element: element, Instance: r.Target, Client: r.Client.String(), Host: r.Host, Method: r.Method, Path: r.Path,
		Protocol: r.Protocol, Status: r.Status, Bytes: r.Bytes, DurationMs: milliseconds(r.Duration), FirstByteMs: milliseconds(r.FirstByte),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// isLocalhost knows the names that never leave the machine (RFC 6761), where TLS proves nothing.
func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// routeOf returns what a host leads to, nil for a former label whose time is over.
func (c tableContext) routeOf(s state, h berth.Host) *proxy.Route {
	if h.RedirectTo != "" {
		if !h.Until.IsZero() && !c.now.Before(h.Until) {
			return nil
		}
		return &proxy.Route{Redirect: c.hostName(h.RedirectTo)}
	}
	route := &proxy.Route{Page: s.page(h.Element)}
	c.guard(route, berth.ProtectionOf(s.protected, h.Element, h.Identifier))
	route.Grace = c.drain
	if s.isLive() {
		route.Grace = liveGrace
	}
	switch {
	case s.broken != nil:
	case s.deployment.Desire == berth.DesireRun:
		route.Targets = c.targets(s, h)
		if s.isBackSoon(h.Element) {
			route.Hold = c.hold
		}
		if s.wakesUp(h.Element, c.now) {
			route.Hold = wakeHold
		}
	case s.deployment.Desire == berth.DesireSleep && c.wake != nil && s.current() != nil && s.leadsTo(h.Element):
		route.Hold, route.Waits = wakeHold, c.wakes(s.deployment.ID)
	}
	return route
}

func (c tableContext) targets(s state, h berth.Host) (targets []proxy.Target) {
	leads, ok := s.routeFor(h)
	if !ok {
		return nil
	}
	for _, i := range s.answering(leads.Element, leads.Workload) {
		targets = append(targets, proxy.Target{ID: i.ID, Port: leads.Port, Dial: func(ctx context.Context) (net.Conn, error) {
			return c.dial(ctx, i.ID, leads.Port)
		}})
	}
	return targets
}

// routeFor finds the chart's route for a host, which is told by element and identifier: charts are rendered with the
// names of their time, and a label may have been edited since, or the base domain changed. Routes of releases that were
// made before routes had identifiers are found by the label.
func (s state) routeFor(h berth.Host) (berth.Route, bool) {
	current := s.current()
	if current == nil {
		return berth.Route{}, false
	}
	for _, r := range current.routes {
		label, _, _ := strings.Cut(r.Host, ".")
		if r.Identifier != "" && r.Element == h.Element && r.Identifier == h.Identifier || r.Identifier == "" && label == h.Label {
			return r, true
		}
	}
	return berth.Route{}, false
}
