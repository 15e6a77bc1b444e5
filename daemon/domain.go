package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/berth-dev/berth/sqlite"
)

// place is what is known of where a server stands when its base domain is decided.
type place struct {
	flag     string     // --domain
	kept     string     // as decided before
	sslip    string     // suffix of names with an address in them
	publicIP string     // --public-ip
	ssh      string     // SSH_CONNECTION of who starts the server: "client port server port"
	route    netip.Addr // this machine's own address towards the world; invalid where there is none
}

// decideDomain is the base domain of generated hosts: what a person said, what it was before, else one that
// leads others here where others can come, else one that only this machine knows.
func decideDomain(p place) string {
	if p.flag != "" {
		return p.flag
	}
	if public, err := netip.ParseAddr(p.publicIP); err == nil {
		return sslipName(public, p.sslip)
	}
	if p.kept != "" {
		return p.kept
	}
	if address, ok := sshAddress(p.ssh); ok {
		return sslipName(address, p.sslip)
	}
	if isPublic(p.route) {
		return sslipName(p.route, p.sslip)
	}
	return DefaultDomain
}

// sshAddress is where an SSH client found this machine, if others find it there too: somebody from the public
// internet who arrives at a private address came through a router, which knows other names.
func sshAddress(connection string) (netip.Addr, bool) {
	fields := strings.Fields(connection)
	if len(fields) != 4 {
		return netip.Addr{}, false
	}
	client, err := netip.ParseAddr(fields[0])
	if err != nil {
		return netip.Addr{}, false
	}
	server, err := netip.ParseAddr(fields[2])
	if err != nil {
		return netip.Addr{}, false
	}
	client, server = client.Unmap().WithZone(""), server.Unmap().WithZone("")
	inOneNetwork := client.IsPrivate() && server.IsPrivate()
	return server, isPublic(server) || inOneNetwork
}

// isPublic reports whether the world can be expected to reach an address.
func isPublic(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = a.Unmap()
	reserved := func(p netip.Prefix) bool { return p.Contains(a) }
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reservedNetworks, reserved)
}

// reservedNetworks look like the world's and are nobody's there (IANA's registries of special-purpose addresses).
var reservedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // between a provider's customers and its NAT
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), // for documents, as the next two
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // for benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
}

// sslipName is a name that sslip.io and its like resolve to the address in it.
func sslipName(a netip.Addr, suffix string) string {
	label := strings.NewReplacer(".", "-", ":", "-").Replace(a.Unmap().String())
	if strings.HasPrefix(label, "-") { // no label of a name may begin or end so
		label = "0" + label
	}
	if strings.HasSuffix(label, "-") {
		label += "0"
	}
	return label + "." + suffix
}

// sslipAddress is the address in such a name.
func sslipAddress(domain, suffix string) (netip.Addr, bool) {
	label, found := strings.CutSuffix(domain, "."+suffix)
	if !found {
		return netip.Addr{}, false
	}
	for _, separator := range []string{".", ":"} {
		if a, err := netip.ParseAddr(strings.ReplaceAll(label, "-", separator)); err == nil {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// domainKey is where the store keeps the base domain: hosts that once were made do not move by themselves.
const domainKey = "domain"

func (d *Daemon) openNames(ctx context.Context) error {
	var domain string
	err := d.store.Update(ctx, func(tx *sqlite.Tx) error {
		kept, known, err := tx.Meta(domainKey)
		if err != nil {
			return err
		}
		if _, served, err := tx.Meta("server"); err != nil {
			return err
		} else if served && !known {
			kept = DefaultDomain // that of all servers before the domain was kept
		}
		domain = decideDomain(place{flag: d.config.Domain, kept: kept, sslip: d.config.SSLIP, publicIP: d.config.PublicIP,
			ssh: d.config.SSHConnection, route: routeAddress()})
		return tx.PutMeta(domainKey, domain)
	})
	d.names = newNames(domain, d.publicHTTPS())
	return err
}

// routeAddress asks the kernel which of this machine's addresses leads to the world. Nothing is sent.
func routeAddress() netip.Addr {
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", far)
		if err != nil {
			continue
		}
		address, err := netip.ParseAddrPort(conn.LocalAddr().String())
		_ = conn.Close()
		if err == nil {
			return address.Addr()
		}
	}
	return netip.Addr{}
}
