package daemon

import (
	"net/netip"
	"testing"
)

func TestBaseDomainIsOneThatOpensWhereThePersonSits(t *testing.T) {
	const (
		public  = "9.9.9.7 50000 192.88.10.9 22"
		lan     = "192.168.1.20 50000 192.168.1.5 22"
		natted  = "9.9.9.7 50000 10.0.0.4 22"
		looped  = "127.0.0.1 50000 127.0.0.1 22"
		garbage = "somebody's text"
	)
	for name, c := range map[string]struct {
		place
		want string
	}{
		"at the machine itself":                        {place{}, "berth.localhost"},
		"a private address towards the world":          {place{route: netip.MustParseAddr("172.17.0.2")}, "berth.localhost"},
		"an address for documents":                     {place{route: netip.MustParseAddr("192.0.2.2")}, "berth.localhost"},
		"behind a provider's NAT":                      {place{route: netip.MustParseAddr("100.64.3.2")}, "berth.localhost"},
		"a public address towards the world":           {place{route: netip.MustParseAddr("192.88.10.9")}, "192-88-10-9.sslip.io"},
		"over SSH to a public address":                 {place{ssh: public}, "192-88-10-9.sslip.io"},
		"over SSH within one network":                  {place{ssh: lan}, "192-168-1-5.sslip.io"},
		"over SSH through a router":                    {place{ssh: natted}, "berth.localhost"},
		"through a router, told the public address":    {place{ssh: natted, publicIP: "192.88.10.9"}, "192-88-10-9.sslip.io"},
		"through a router to a public machine":         {place{ssh: natted, route: netip.MustParseAddr("192.88.10.9")}, "192-88-10-9.sslip.io"},
		"over SSH from the machine itself":             {place{ssh: looped}, "berth.localhost"},
		"over something that is not SSH":               {place{ssh: garbage}, "berth.localhost"},
		"over SSH with IPv6":                           {place{ssh: "2001:4860::7 50000 2001:4860::8 22"}, "2001-4860--8.sslip.io"},
		"an address that ends in colons":               {place{publicIP: "2001:4860::"}, "2001-4860--0.sslip.io"},
		"what was decided stays":                       {place{kept: "berth.localhost", ssh: public}, "berth.localhost"},
		"what was decided stays when the address goes": {place{kept: "192-88-10-9.sslip.io"}, "192-88-10-9.sslip.io"},
		"a flag decides anew":                          {place{kept: "berth.localhost", flag: "apps.example.com"}, "apps.example.com"},
		"a public address decides anew":                {place{kept: "berth.localhost", publicIP: "192.88.10.9"}, "192-88-10-9.sslip.io"},
		"a domain before an address":                   {place{flag: "apps.example.com", publicIP: "192.88.10.9"}, "apps.example.com"},
	} {
		c.sslip = "sslip.io"
		if got := decideDomain(c.place); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := decideDomain(place{publicIP: "192.88.10.9", sslip: "ip.example.org"}); got != "192-88-10-9.ip.example.org" {
		t.Errorf("another suffix gives %s", got)
	}
}

func TestIssuersAreAskedOnlyWhereTheyCanReach(t *testing.T) {
	for domain, want := range map[string]bool{
		"apps.example.com": true, "192-88-10-9.sslip.io": true, "2001-4860--8.sslip.io": true,
		"berth.localhost": false, "192-168-1-5.sslip.io": false, "fd00--1.sslip.io": false,
	} {
		if got := asksIssuers(domain, Config{SSLIP: "sslip.io"}); got != want {
			t.Errorf("%s: %v, want %v", domain, got, want)
		}
	}
	if asksIssuers("apps.example.com", Config{ACME: ACMEConfig{Directories: []string{acmeOff}}}) {
		t.Error("off asks nevertheless")
	}
}
