package docker

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSubnetsOfAPoolAreApartAndInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(16, subnetBits).Draw(t, "bits")
		pool := netip.PrefixFrom(fromUint(rapid.Uint32().Draw(t, "address")), bits).Masked()
		var last netip.Prefix
		n := 0
		for p := range subnetsOf(pool) {
			if !pool.Contains(p.Addr()) || p != p.Masked() || last.IsValid() && last.Overlaps(p) {
				t.Fatalf("%s after %s in %s", p, last, pool)
			}
			last = p
			n++
		}
		if n != 1<<(subnetBits-bits) {
			t.Fatalf("%d subnets in %s", n, pool)
		}
	})
}

func TestCoreIsNeverGivenAway(t *testing.T) {
	n := deploymentNetwork{Subnet: netip.MustParsePrefix("10.201.3.128/25")}
	if n.gateway().String() != "10.201.3.129" || n.core().String() != "10.201.3.130" {
		t.Errorf("gateway %s, core %s", n.gateway(), n.core())
	}
	dynamic := upperHalf(n.Subnet)
	if dynamic.String() != "10.201.3.192/26" || dynamic.Contains(n.core()) {
		t.Errorf("Docker hands out %s", dynamic)
	}
	var taken []containerState
	for {
		a, err := fixedAddress(n, taken)
		if err != nil {
			break
		}
		if a == n.core() || a == n.gateway() || dynamic.Contains(a) || !n.Subnet.Contains(a) {
			t.Fatalf("%s is given", a)
		}
		for _, c := range taken {
			if c.Reserved == a {
				t.Fatalf("%s is given twice", a)
			}
		}
		taken = append(taken, containerState{Reserved: a})
	}
	if len(taken) != 61 {
		t.Errorf("%d fixed addresses", len(taken))
	}
}

func TestParseRoute(t *testing.T) {
	for line, want := range map[string]string{
		"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0":                    "172.17.0.0/16",
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0":                       "0.0.0.0/0",
		"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT": "invalid Prefix",
		"": "invalid Prefix",
	} {
		if got, _ := parseRoute(line); got.String() != want {
			t.Errorf("%q is %s, want %s", line, got, want)
		}
	}
}

func TestPoolWithinAForeignNetworkIsNotTaken(t *testing.T) {
	pool := netip.MustParsePrefix("10.201.0.0/16")
	for foreign, covered := range map[string]bool{"10.0.0.0/8": true, "10.201.0.0/16": true, "10.201.7.0/24": false, "10.202.0.0/16": false} {
		if got := coveredByAny(pool, []netip.Prefix{netip.MustParsePrefix(foreign)}); got != covered {
			t.Errorf("%s: covered %v", foreign, got)
		}
	}
}

func TestRedirectRules(t *testing.T) {
	want := []rule{
		{"nat", "PREROUTING", []string{"-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "3000"}},
		{"nat", "OUTPUT", []string{"-d", "10.201.0.70", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "3000"}},
	}
	got := redirectRules([]redirect{{"tcp", 80, 3000}}, "10.201.0.70")
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rule{})); diff != "" {
		t.Error(diff)
	}
}
