package berth_test

import (
	"testing"

	"github.com/berth-dev/berth"
)

func TestGitURLs(t *testing.T) {
	for text, want := range map[string][2]string{ // scheme, how known_hosts name the host
		"https://github.com/o/n":               {"https", "github.com"},
		"https://git.example.com:8443/o/n.git": {"https", "[git.example.com]:8443"},
		"git@GitHub.com:o/n.git":               {"ssh", "github.com"},
		"ssh://git@host:22/srv/n.git":          {"ssh", "host"},
		"ssh://git@host:2222/~/n.git":          {"ssh", "[host]:2222"},
		"ssh://git@[::1]:2222/n.git":           {"ssh", "[::1]:2222"},
	} {
		u, err := berth.ParseGitURL(text)
		if err != nil || u.Scheme != want[0] || u.KnownHost() != want[1] || u.String() != text || u.SSH() != (want[0] == "ssh") {
			t.Errorf("%s: %+v %s, %v", text, u, u.KnownHost(), err)
		}
	}
	for _, text := range []string{"ssh://host/x", "git@host", "git@host:", "git@host:-x", "-x@host:y", "git@-x:y", "git@ho st:y", "https://h/x#", "https://h/x?", "git@host:a\nb", "ext::x@y:z", "ssh://git:p4ss@host/x"} {
		if u, err := berth.ParseGitURL(text); err == nil {
			t.Errorf("%q is read as %+v", text, u)
		}
	}
}

func TestRegistries(t *testing.T) {
	for text, want := range map[string]string{
		"ghcr.io": "ghcr.io", "https://GHCR.io/": "ghcr.io", "registry.example.com:5000": "registry.example.com:5000",
		"index.docker.io": "docker.io", "https://index.docker.io/v1/": "docker.io",
		"": "", "ghcr.io/owner": "", "x; rm": "", "-x": "", "user@host": "",
	} {
		if got, err := berth.ParseRegistry(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
