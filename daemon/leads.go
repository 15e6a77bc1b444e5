package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
)

// leads says where the DNS leads a name, and at which addresses this server is reached.
func (d *Daemon) leads(ctx context.Context, name string) (seen, here []netip.Addr, err error) {
	here = d.reachedAt(ctx)
	seen, err = d.lookUp(ctx, name)
	return seen, here, err
}

// lookUp asks the name server that is to be believed, without the machine's search domains.
func (d *Daemon) lookUp(ctx context.Context, name string) (list []netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolverTime)
	defer cancel()
	found, err := resolverOf(d.config.ACME.Resolver).LookupNetIP(ctx, "ip", name+".")
	for _, a := range found {
		list = append(list, a.Unmap())
	}
	return list, err
}

// reachedAt is what a person said, else the address in the server's own name, else where the DNS leads that, else
// what can be seen of the machine.
func (d *Daemon) reachedAt(ctx context.Context) []netip.Addr {
	if a, err := netip.ParseAddr(d.config.PublicIP); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	if a, ok := sslipAddress(d.names.domain, d.config.SSLIP); ok {
		return []netip.Addr{a.Unmap()}
	}
	if at := addressOf(d.httpsListener).Addr(); at.IsValid() && !at.IsUnspecified() {
		return []netip.Addr{at}
	}
	var list []netip.Addr
	if asksIssuers(d.names.domain, d.config) {
		list, _ = d.lookUp(ctx, d.names.console())
	}
	if a := routeAddress(); len(list) == 0 && a.IsValid() {
		list = append(list, a.Unmap())
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// resolverOf is a name server, or with "" the machine's.
func resolverOf(server string) *net.Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: resolverTime}).DialContext(ctx, network, server)
	}}
}

// urlOf is the URL of a whole host name.
func (n names) urlOf(host string) string { return "https://" + host + n.https }
