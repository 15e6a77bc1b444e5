package install

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth/machine"
)

// environment is what the server has to know of how this machine reaches the world, who its first
// person is, and how that person came. What was known before stays unless it is said anew: sudo hands little on.
func environment(before []byte, lookup func(string) (string, bool)) []byte {
	settings := map[string]string{}
	for line := range strings.Lines(string(before)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			settings[name] = value
		}
	}
	for _, name := range slices.Concat(machine.Settings, machine.TrustSettings) {
		if value, ok := lookup(name); ok && value != "" && !strings.ContainsAny(value, "\r\n") {
			settings[name] = value
		}
	}
	if from, _ := lookup("SSH_CONNECTION"); settings["SSH_CONNECTION"] == "" && from != "" {
		settings["SSH_CONNECTION"] = from
	}
	sudo, _ := lookup("SUDO_USER")
	user, _ := lookup("USER")
	if person := cmp.Or(sudo, user); person != "" && settings["USER"] == "" {
		settings["USER"] = person
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s=%s\n", name, settings[name])
	}
	return []byte(b.String())
}
