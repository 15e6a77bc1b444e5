package proxy

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// TrustedProxies says whose word about a request's origin counts: so many in front, or those of the
// networks. What they are believed is X-Forwarded-For, -Proto and -Host; RFC 7239's Forwarded is not,
// because a proxy that writes the one passes the other on as it came. The zero value trusts nobody.
type TrustedProxies struct {
	Count    int
	Networks []netip.Prefix
}

// ParseTrustedProxies reads a count, or addresses and networks with commas between them. Empty: nobody.
func ParseTrustedProxies(text string) (t TrustedProxies, err error) {
	if text == "" {
		return t, nil
	}
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n > maxProxies {
			return t, fmt.Errorf("read trusted proxies: %d is not between 0 and %d", n, maxProxies)
		}
		return TrustedProxies{Count: n}, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		network, err := parseNetwork(strings.TrimSpace(part))
		if err != nil {
			return TrustedProxies{}, fmt.Errorf("read trusted proxies: %w", err)
		}
		t.Networks = append(t.Networks, network)
	}
	return t, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}

// maxProxies bounds how far back a request's way is followed.
const maxProxies = 16

// origin is where a request came from, as far as that is known for sure.
type origin struct {
	client  netip.Addr
	proxies []netip.Addr // those on the way that are trusted, the nearest last
	proto   string       // http or https
	host    string       // that the client asked for
}

// originOf follows the request's way back. A client that is reached through a socket of ours is nobody's proxy.
func (t TrustedProxies) originOf(r *http.Request) origin {
	o := origin{client: clientAddress(r), proto: scheme(r), host: r.Host}
	if t.Count == 0 && len(t.Networks) == 0 || o.client.IsUnspecified() {
		return o
	}
	before := listOf(r.Header["X-Forwarded-For"])
	for len(o.proxies) < maxProxies && t.trusts(o.client, len(o.proxies)) {
		if len(before) == 0 {
			break // the trusted one asks itself
		}
		next, err := parseNode(before[len(before)-1])
		if err != nil {
			break
		}
		o.proxies = slices.Insert(o.proxies, 0, o.client)
		o.client, before = next, before[:len(before)-1]
	}
	if len(o.proxies) > 0 {
		if proto := hopOf(r.Header["X-Forwarded-Proto"], len(o.proxies)); proto == "http" || proto == "https" {
			o.proto = proto
		}
		if host := hopOf(r.Header["X-Forwarded-Host"], len(o.proxies)); isHostHeader(host) {
			o.host = host
		}
	}
	return o
}

// trusts reports whether the one at the given distance is a trusted proxy.
func (t TrustedProxies) trusts(address netip.Addr, distance int) bool {
	if distance < t.Count {
		return true
	}
	return slices.ContainsFunc(t.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// listOf returns the elements of a header that is a list (RFC 9110, 5.6.1).
func listOf(values []string) (list []string) {
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			if element = strings.TrimSpace(element); element != "" {
				list = append(list, element)
			}
		}
	}
	return list
}

// hopOf returns what the proxy at the client's end said. One that does not append says it alone.
func hopOf(values []string, hops int) string {
	list := listOf(values)
	if len(list) == 0 {
		return ""
	}
	return list[max(0, len(list)-hops)]
}

// parseNode reads an element of X-Forwarded-For: an address, which some give a port.
func parseNode(text string) (netip.Addr, error) {
	if address, err := netip.ParseAddrPort(text); err == nil {
		return address.Addr().Unmap().WithZone(""), nil
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap().WithZone(""), err
}

// isHostHeader refuses what could mean something else in a header or a page.
func isHostHeader(host string) bool {
	return host != "" && len(host) <= 260 && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789-._:[]") == "" &&
		!strings.ContainsAny(host, " \"'<>\\/,;")
}

// isForwardingHeader knows more than the headers that are set here: an application may believe
// any of them, and a client must not be able to say it.
func isForwardingHeader(name string) bool {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Forwarded", "X-Real-Ip", "X-Client-Ip", "X-Original-Host", "X-Original-Url", "X-Rewrite-Url", "True-Client-Ip", "X-Cluster-Client-Ip":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-")
}

// setForwarded says where the request came from, and nothing that its client made up.
func setForwarded(r *httputil.ProxyRequest, o origin) {
	for name := range r.Out.Header {
		if isForwardingHeader(name) {
			delete(r.Out.Header, name)
		}
	}
	client := o.client.String()
	chain, elements := client, forwardedElement(o)
	for _, proxy := range o.proxies {
		chain += ", " + proxy.String()
		elements += ", for=" + forwardedNode(proxy)
	}
	header := r.Out.Header
	header["X-Forwarded-For"] = []string{chain}
	header["X-Forwarded-Proto"] = []string{o.proto}
	header["X-Forwarded-Host"] = []string{o.host}
	header["X-Real-Ip"] = []string{client}
	header["Forwarded"] = []string{elements}
}

// forwardedElement is the client's element of RFC 7239's header.
func forwardedElement(o origin) string {
	return "for=" + forwardedNode(o.client) + ";host=" + strconv.Quote(o.host) + ";proto=" + o.proto
}

func forwardedNode(address netip.Addr) string {
	if address.Is6() {
		return `"[` + address.String() + `]"`
	}
	return address.String()
}

func clientAddress(r *http.Request) netip.Addr {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified() // not from a network
	}
	return address.Addr().Unmap().WithZone("")
}

// seenFrom is the request as if its client had made the connection, for our own handlers.
func (o origin) seenFrom(r *http.Request) *http.Request {
	if len(o.proxies) == 0 {
		return r
	}
	r = r.Clone(r.Context())
	r.RemoteAddr = netip.AddrPortFrom(o.client, 0).String()
	return r
}
