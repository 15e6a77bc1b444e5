package berth

import (
	"context"
	"net/netip"
	"strings"
)

// HostService is about the public names of a deployment's elements, and who may ask them.
type HostService interface {
	// Hosts lists those of a deployment, with their protection.
	Hosts(ctx context.Context, ref string) ([]Host, error)
	// RenameHost gives a host, which is said by its name, label or element, another label. The former one redirects
	// there for 30 days, and a release brings the new name to those who have it as a parameter. EConflict where the
	// label is taken; one that the host has already changes nothing.
	RenameHost(ctx context.Context, ref, host, label string) (Deployment, error)
	// ProtectHosts has hosts ask for a password, answer certain networks only, or both. What the wish does not
	// name stays as it is. A domain that leads to an element is protected as the element's host is.
	ProtectHosts(ctx context.Context, ref string, w ProtectHosts) ([]Host, error)
	// OpenHosts takes protection away. Asking again is no error.
	OpenHosts(ctx context.Context, ref string, w OpenHosts) ([]Host, error)
}

// ProtectHosts says what to ask visitors for.
type ProtectHosts struct {
	Host     string   // a host's name, its first label or its element; empty: all hosts, those of later releases included
	Password Secret   // empty: as it is
	Allow    []string // networks (CIDR) and addresses that may ask; empty: as it is
}

// OpenHosts says which protection ends; with neither, all of it.
type OpenHosts struct {
	Host     string // as in ProtectHosts
	Password bool
	Allow    bool
}

// Protection is what visitors of a host need. The zero Protection lets everybody in.
type Protection struct {
	Deployment ID     `json:"-"`
	Element    string `json:"-"` // with Identifier, which host; both empty: every host that has none of its own
	Identifier string `json:"-"`
	Hash       string `json:"-"` // of the password

	Password bool     `json:"password"` // one is asked for, with any name
	Allow    []string `json:"allow"`    // networks whose clients may ask; empty: all
}

// Open reports whether everybody may ask.
func (p Protection) Open() bool { return p.Hash == "" && len(p.Allow) == 0 }

// ProtectionOf finds what holds for a host: its own, else the deployment's.
func ProtectionOf(list []Protection, element, identifier string) (found Protection) {
	for _, p := range list {
		if p.Element == element && p.Identifier == identifier {
			return p
		}
		if p.Element == "" {
			found = p
		}
	}
	return found
}

// maxNetworks bounds what one host compares every visitor with.
const maxNetworks = 100

// ParseNetworks checks networks and addresses that may ask, and returns them in CIDR notation.
func ParseNetworks(texts []string) (networks []string, err error) {
	if len(texts) > maxNetworks {
		return nil, Errorf(EInvalid, "allow: a host can have a list of %d networks at most", maxNetworks)
	}
	for _, text := range texts {
		network, err := parseNetwork(strings.TrimSpace(text))
		if err != nil {
			return nil, &Error{Code: EInvalid, Field: "allow", Message: "write a network like 10.0.0.0/8 or 2001:db8::/32, or an address; this is neither: " + text}
		}
		networks = append(networks, network.String())
	}
	return networks, nil
}

// parseNetwork takes an address for the network of it alone, and an IPv4 address in an IPv6 one for what it is:
// so clients are compared.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap().WithZone("")
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, err
	}
	if bits := network.Bits() - 96; network.Addr().Is4In6() && bits >= 0 {
		network = netip.PrefixFrom(network.Addr().Unmap(), bits)
	}
	return network.Masked(), nil
}
