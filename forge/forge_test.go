package forge

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

func TestPublishedKeysHaveTheirPublishedFingerprints(t *testing.T) {
	for _, h := range published {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.key))
		if err != nil || ssh.FingerprintSHA256(key) != h.fingerprint {
			t.Errorf("%s %s: %v", h.host, h.key, err)
		}
	}
}

func TestOpenSSHReadsADeployKey(t *testing.T) {
	public, private, err := Forges{}.NewDeployKey("berth-shop")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(private.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh-keygen", "-y", "-f", file).Output()
	if err != nil || strings.TrimSpace(string(out)) != public || !strings.HasSuffix(public, " berth-shop") {
		t.Errorf("ssh-keygen reads %q, %v; made was %q", out, err, public)
	}
}

func TestWhereAKeyIsAddedAndUsed(t *testing.T) {
	for url, want := range map[string][2]string{
		"https://github.com/o/n.git":        {"https://github.com/o/n/settings/keys/new", "git@github.com:o/n.git"},
		"git@github.com:o/n.git":            {"https://github.com/o/n/settings/keys/new", ""},
		"https://gitlab.com/g/sub/n":        {"https://gitlab.com/g/sub/n/-/settings/repository#js-deploy-keys-settings", "git@gitlab.com:g/sub/n.git"},
		"https://gitlab.example.com/g/n":    {"https://gitlab.example.com/g/n/-/settings/repository#js-deploy-keys-settings", "git@gitlab.example.com:g/n.git"},
		"https://bitbucket.org/o/n":         {"https://bitbucket.org/o/n/admin/access-keys/", "git@bitbucket.org:o/n.git"},
		"https://codeberg.org/o/n":          {"https://codeberg.org/o/n/settings/keys", "git@codeberg.org:o/n.git"},
		"ssh://git@gitea.example.com/o/n":   {"https://gitea.example.com/o/n/settings/keys", ""},
		"https://git.example.com:8443/o/n/": {"", "git@git.example.com:o/n.git"},
		"http://git.example.com/o/n":        {"", ""},
		"https://[::1]/o/n":                 {"", ""},
	} {
		u, err := berth.ParseGitURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{Forges{}.KeyPage(u), Forges{}.SSHURL(u)}; got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
