package main

import (
	"strings"
	"testing"
)

func TestTunnelIsSaidToWhomItHelps(t *testing.T) {
	const ssh = "198.51.100.7 50000 203.0.113.9 22"
	for name, c := range map[string]struct {
		server, connection, user string
		command, opens           string // empty: none is needed
	}{
		"at the machine itself":    {"https://console.berth.localhost", "", "ada", "", ""},
		"a name that leads there":  {"https://console.203-0-113-9.sslip.io", ssh, "ada", "", ""},
		"not of SSH":               {"https://console.berth.localhost", "$(reboot) x y z", "ada", "", ""},
		"the usual port is root's": {"https://console.berth.localhost", ssh, "ada", "ssh -L 8443:127.0.0.1:443 ada@203.0.113.9", "https://console.berth.localhost:8443"},
		"another port stays":       {"https://console.berth.localhost:9443", ssh, "", "ssh -L 9443:127.0.0.1:9443 203.0.113.9", "https://console.berth.localhost:9443"},
		"another port of SSH":      {"https://console.berth.localhost", "::1 50000 2001:db8::9 2200", "ada", "ssh -L 8443:127.0.0.1:443 -p 2200 ada@2001:db8::9", "https://console.berth.localhost:8443"},
	} {
		got, needed := tunnelTo(c.server, c.connection, c.user)
		if needed != (c.command != "") || got.command != c.command {
			t.Errorf("%s: %q (%v), want %q", name, got.command, needed, c.command)
		}
		if needed && got.through(c.server+"/login#S.F") != c.opens+"/login#S.F" {
			t.Errorf("%s: opens as %s, want %s", name, got.through(c.server+"/login#S.F"), c.opens)
		}
	}
}

func TestLinkIsTheLastLineUntilSomebodyHasLoggedIn(t *testing.T) {
	last := func(c *cli) string {
		lines := strings.Split(strings.TrimSpace(c.out.String()), "\n")
		return lines[len(lines)-1]
	}
	c := newCLI(t)
	if c.do(t, "status"); last(c) != "https://console.test/login#S.F" {
		t.Errorf("unclaimed: the last line is %q", last(c))
	}
	c.service.claimed = true
	if c.do(t, "status"); strings.Contains(c.out.String(), "/login#") || !strings.Contains(c.out.String(), "1 pending") {
		t.Errorf("claimed: %s", c.out)
	}
	if c.do(t, "login-link"); last(c) != "https://console.test/login#S.F" {
		t.Errorf("login-link: the last line is %q", last(c))
	}
}
