package berth_test

import (
	"slices"
	"testing"

	"github.com/berth-dev/berth"
)

func TestSSHCommands(t *testing.T) {
	elements := []berth.ElementStatus{{Identifier: "postgres", Kind: berth.KindAddon}, {Identifier: "web", Kind: berth.KindComponent}}
	server := berth.SSHServer{Host: "203.0.113.9", Port: 2222}
	for name, c := range map[string]struct {
		server   berth.SSHServer
		elements []berth.ElementStatus
		want     []berth.SSHCommand
	}{
		"a component first": {server, elements, []berth.SSHCommand{{Element: "web", Command: "ssh -p 2222 shop@203.0.113.9"}, {Element: "postgres", Command: "ssh -p 2222 shop.postgres@203.0.113.9"}}},
		"the workspace first": {berth.SSHServer{Host: "a.example.com", Port: 22}, append(slices.Clone(elements[1:]), berth.ElementStatus{Identifier: "workspace"}),
			[]berth.SSHCommand{{Element: "workspace", Command: "ssh shop@a.example.com"}, {Element: "web", Command: "ssh shop.web@a.example.com"}}},
		"an add-on where there is nothing else": {server, elements[:1], []berth.SSHCommand{{Element: "postgres", Command: "ssh -p 2222 shop@203.0.113.9"}}},
		"before anything runs":                  {server, nil, nil},
		"without SSH":                           {berth.SSHServer{}, elements, nil},
	} {
		if got := c.server.Commands("shop", c.elements); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
