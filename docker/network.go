package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// subnetBits is the size of a deployment's network: 126 addresses. The lower half holds the gateway,
// core and fixed addresses, the upper half what Docker hands out, so that nobody is ever given core's.
const subnetBits = 25

// pools are tried in order where the operator names none.
var pools = [...]string{"10.201.0.0/16", "10.202.0.0/16", "172.30.0.0/16", "192.168.192.0/18"}

// deploymentNetwork is a network that exists.
type deploymentNetwork struct {
	ID     string
	Subnet netip.Prefix
}

func (n deploymentNetwork) gateway() netip.Addr { return n.Subnet.Addr().Next() }
func (n deploymentNetwork) core() netip.Addr    { return n.gateway().Next() }

// choosePool returns the configured pool, or the first of ours that does not lie in a network which this
// machine reaches otherwise. Smaller networks within it are only left out.
func (e *Engine) choosePool(ctx context.Context) (netip.Prefix, error) {
	if e.config.Pool.IsValid() {
		p := e.config.Pool.Masked()
		if !p.Addr().Is4() || p.Bits() > subnetBits {
			return netip.Prefix{}, berth.Errorf(berth.EInvalid, "the network pool %s must be an IPv4 network of at least /%d", e.config.Pool, subnetBits)
		}
		return p, nil
	}
	used, err := foreignSubnets(ctx, e.docker)
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, s := range pools {
		p := netip.MustParsePrefix(s)
		if !coveredByAny(p, used) {
			return p, nil
		}
	}
	return netip.Prefix{}, berth.Errorf(berth.EConflict, "every network Berth would use for deployments (%s) is in use on this machine; name a free one with --pool", strings.Join(pools[:], ", "))
}

func coveredByAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if o.Bits() <= p.Bits() && o.Overlaps(p) {
			return true
		}
	}
	return false
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if p.Overlaps(o) {
			return true
		}
	}
	return false
}

// network finds or makes a deployment's network.
func (e *Engine) network(ctx context.Context, id berth.ID) (deploymentNetwork, error) {
	if n, found, err := e.findNetwork(ctx, id); found || err != nil {
		return n, err
	}
	e.subnets.Lock()
	defer e.subnets.Unlock()
	// Docker would make a second network of the name.
	if n, found, err := e.findNetwork(ctx, id); found || err != nil {
		return n, err
	}
	// The rules are looked at beside the making: nothing runs in the network before this returns.
	closed := make(chan error, 1)
	go func() { closed <- e.firewall.close(ctx) }()
	n, err := e.makeFreeNetwork(ctx, id)
	open := <-closed
	if open == nil || err != nil {
		return n, errors.Join(err, open)
	}
	// The next try would find the network, and go on.
	return n, errors.Join(open, e.docker.removeNetwork(context.WithoutCancel(ctx), n.ID))
}

// makeFreeNetwork makes a deployment's network where nothing else is.
func (e *Engine) makeFreeNetwork(ctx context.Context, id berth.ID) (deploymentNetwork, error) {
	used, err := usedSubnets(ctx, e.docker)
	if err != nil {
		return deploymentNetwork{}, err
	}
	for subnet := range subnetsOf(e.pool) {
		if overlapsAny(subnet, used) {
			continue
		}
		switch n, err := e.makeNetwork(ctx, id, subnet); {
		case err == nil:
			return n, nil
		case !clashes(err):
			return deploymentNetwork{}, fmt.Errorf("create network: %w", err)
		}
	}
	return deploymentNetwork{}, berth.Errorf(berth.EUnavailable, "no network is free in %s: delete a deployment, or give Berth a larger pool", e.pool)
}

// clashes says that Docker knows of an overlap that we do not; it has no code of its own for it.
func clashes(err error) bool {
	return strings.Contains(err.Error(), "overlap")
}

func (e *Engine) findNetwork(ctx context.Context, id berth.ID) (deploymentNetwork, bool, error) {
	r, err := e.docker.client.NetworkInspect(ctx, networkName(id), client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		return deploymentNetwork{}, false, nil
	}
	if err != nil {
		return deploymentNetwork{}, false, fmt.Errorf("inspect network: %w", err)
	}
	n := r.Network
	if n.Labels[labelServer] != e.config.ServerID {
		return deploymentNetwork{}, false, berth.Errorf(berth.EConflict, "a Docker network named %s exists that is not this server's; remove or rename it", n.Name)
	}
	if len(n.IPAM.Config) == 0 || !n.IPAM.Config[0].Subnet.IsValid() {
		return deploymentNetwork{}, false, fmt.Errorf("network %s has no subnet", n.Name)
	}
	return deploymentNetwork{ID: n.ID, Subnet: n.IPAM.Config[0].Subnet}, true, nil
}

func (e *Engine) makeNetwork(ctx context.Context, id berth.ID, subnet netip.Prefix) (deploymentNetwork, error) {
	n := deploymentNetwork{Subnet: subnet}
	options := map[string]string{
		"com.docker.network.bridge.name":                 bridgeName(id),
		"com.docker.network.bridge.enable_icc":           "true",
		"com.docker.network.bridge.enable_ip_masquerade": "true",
	}
	if mtu := defaultMTU(); mtu > 0 {
		options["com.docker.network.driver.mtu"] = strconv.Itoa(mtu)
	}
	r, err := e.docker.client.NetworkCreate(ctx, networkName(id), client.NetworkCreateOptions{
		Driver:  "bridge",
		Options: options,
		Labels:  map[string]string{labelServer: e.config.ServerID, labelDeployment: string(id), labelRole: roleNetwork},
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
			Subnet: subnet, Gateway: n.gateway(), IPRange: upperHalf(subnet),
		}}},
	})
	n.ID = r.ID
	return n, err
}

// networks lists this server's networks with the given label=value pairs.
func (a *adapter) networks(ctx context.Context, pairs ...string) ([]network.Summary, error) {
	r, err := a.client.NetworkList(ctx, client.NetworkListOptions{Filters: a.labelled(pairs...)})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	return r.Items, nil
}

func (a *adapter) removeNetwork(ctx context.Context, id string) error {
	_, err := a.client.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network: %w", err)
	}
	return nil
}

// subnetsOf walks the deployment-sized networks of a pool.
func subnetsOf(pool netip.Prefix) func(yield func(netip.Prefix) bool) {
	return func(yield func(netip.Prefix) bool) {
		for p := netip.PrefixFrom(pool.Addr(), subnetBits); pool.Contains(p.Addr()); {
			if !yield(p) {
				return
			}
			next := toUint(p.Addr()) + 1<<(32-subnetBits)
			if next == 0 {
				return
			}
			p = netip.PrefixFrom(fromUint(next), subnetBits)
		}
	}
}

func upperHalf(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(fromUint(toUint(p.Addr())+1<<(31-p.Bits())), p.Bits()+1)
}

func toUint(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }

func fromUint(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// fixedAddress chooses an address of the lower half that no container of the deployment has been made with.
func fixedAddress(n deploymentNetwork, taken []containerState) (netip.Addr, error) {
	used := map[netip.Addr]bool{}
	for _, c := range taken {
		used[c.Reserved] = true
	}
	dynamic := upperHalf(n.Subnet)
	for a := n.core().Next(); n.Subnet.Contains(a) && !dynamic.Contains(a); a = a.Next() {
		if !used[a] {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("no fixed address is free in the deployment's network")
}

// usedSubnets are those of Docker's networks and of this machine's routes and interfaces.
func usedSubnets(ctx context.Context, a *adapter) ([]netip.Prefix, error) {
	return collectSubnets(ctx, a, func(map[string]string) bool { return true })
}

// foreignSubnets are the same without what belongs to this server.
func foreignSubnets(ctx context.Context, a *adapter) ([]netip.Prefix, error) {
	return collectSubnets(ctx, a, func(labels map[string]string) bool { return labels[labelServer] != a.server })
}

func collectSubnets(ctx context.Context, a *adapter, counts func(labels map[string]string) bool) ([]netip.Prefix, error) {
	r, err := a.client.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var out []netip.Prefix
	ours := map[netip.Prefix]bool{}
	for _, n := range r.Items {
		for _, c := range n.IPAM.Config {
			switch {
			case !c.Subnet.IsValid():
			case counts(n.Labels):
				out = append(out, c.Subnet.Masked())
			default:
				ours[c.Subnet.Masked()] = true
			}
		}
	}
	routes, err := routedSubnets()
	if err != nil {
		return nil, err
	}
	for _, p := range routes {
		if !ours[p] {
			out = append(out, p)
		}
	}
	return out, nil
}

// routedSubnets are the IPv4 destinations of this machine's routes, the default route excepted.
func routedSubnets() ([]netip.Prefix, error) {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	defer func() { _ = f.Close() }()
	var out []netip.Prefix
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if p, ok := parseRoute(lines.Text()); ok && p.Bits() > 0 {
			out = append(out, p)
		}
	}
	return out, lines.Err()
}

// parseRoute reads a line of /proc/net/route: destination and mask are host-endian hexadecimal.
func parseRoute(line string) (netip.Prefix, bool) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return netip.Prefix{}, false
	}
	destination, err1 := hex.DecodeString(fields[1])
	mask, err2 := hex.DecodeString(fields[7])
	if err1 != nil || err2 != nil || len(destination) != 4 || len(mask) != 4 {
		return netip.Prefix{}, false
	}
	ones, _ := net.IPv4Mask(mask[3], mask[2], mask[1], mask[0]).Size()
	a := netip.AddrFrom4([4]byte{destination[3], destination[2], destination[1], destination[0]})
	return netip.PrefixFrom(a, ones).Masked(), true
}

// defaultMTU is that of the interface the machine's default route leads through; 0: Docker's default will do.
func defaultMTU() int {
	b, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if p, ok := parseRoute(line); !ok || p.Bits() != 0 {
			continue
		}
		if i, err := net.InterfaceByName(fields[0]); err == nil && i.MTU < 1500 {
			return i.MTU
		}
	}
	return 0
}
