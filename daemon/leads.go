package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
)

// leads says what the DNS says of a name, and at which addresses this server is reached.
func (d *Daemon) leads(ctx context.Context, name string) (dns control.DNS, here []netip.Addr, err error) {
	here = d.reachedAt(ctx)
	dns, err = d.askDNS(ctx, name)
	return dns, here, err
}

// askDNS asks what there is to know of a claim on a name.
func (d *Daemon) askDNS(ctx context.Context, name string) (dns control.DNS, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolverTime)
	defer cancel()
	resolver := resolverOf(d.config.ACME.Resolver)
	_, above, _ := strings.Cut(name, ".")
	for _, proof := range []string{name, above} {
		texts, err := resolver.LookupTXT(ctx, berth.ProofLabel+proof+".")
		dns.Texts, dns.TextsFailed = append(dns.Texts, texts...), dns.TextsFailed || absent(err) != nil
	}
	if dns.Seen, err = d.lookUp(ctx, name); absent(err) != nil {
		return dns, err
	}
	slices.SortFunc(dns.Seen, netip.Addr.Compare)
	if len(dns.Seen) == 0 {
		return dns, nil
	}
	canonical, err := resolver.LookupCNAME(ctx, name+".")
	if absent(err) != nil {
		return dns, err
	}
	if canonical = strings.ToLower(strings.TrimSuffix(canonical, ".")); canonical != name {
		dns.Alias = canonical
	}
	// A name that nobody made: 50 random bits.
	dns.Beside, err = d.lookUp(ctx, "berth-"+string(berth.NewID())+"."+above)
	return dns, absent(err)
}

// lameReferral is what package net calls the empty answer of a name server that asks no other one (--acme-resolver
// may be one): it does not know the name.
const lameReferral = "lame referral"

// absent takes for no error what a name server says of a name that it does not know.
func absent(err error) error {
	if said := (*net.DNSError)(nil); errors.As(err, &said) && (said.IsNotFound || said.Err == lameReferral) {
		return nil
	}
	return err
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
