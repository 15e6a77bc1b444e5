package berth

import "net/netip"

// NetworkOf is whom the address of a client stands for where tries are counted: one IPv4 address, a household's IPv6
// network, or for what is no address, a Unix socket's client, the invalid prefix.
func NetworkOf(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := addr.Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits)
	return p
}
