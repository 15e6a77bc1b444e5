package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// keyring notes the keys that are added.
type keyring struct {
	*fakeService
	added []string
}

func (k *keyring) AddKey(_ context.Context, person, name, text string) (berth.SSHKey, error) {
	k.added = append(k.added, person+" "+name+" "+strings.TrimSpace(text))
	return berth.SSHKey{Name: name, Type: "ssh-ed25519", Fingerprint: "SHA256:x"}, nil
}

func TestKeyAddReadsFilesAndStdin(t *testing.T) {
	c := newCLI(t)
	ring := &keyring{fakeService: c.service}
	c.connect = func() (berth.Service, error) { return ring, nil }
	const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr ada@laptop"
	file := filepath.Join(t.TempDir(), "id.pub")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.in = strings.NewReader(line)
	if c.do(t, "key", "add", "laptop", file) != 0 || c.do(t, "key", "add", "desk", "-", "--person", "eve") != 0 {
		t.Fatal(c.err)
	}
	if want := " laptop " + line + "\neve desk " + line; strings.Join(ring.added, "\n") != want {
		t.Errorf("added %q", ring.added)
	}
	private, secret := privateKey(t)
	c.in = strings.NewReader(private)
	if c.mustFail(t, exitFailed, "private key", "key", "add", "oops", "-"); len(ring.added) != 2 || strings.Contains(c.err.String(), secret) {
		t.Errorf("a private key went further: %q %s", ring.added, c.err)
	}
}

// privateKey makes one with OpenSSH, and returns it with a line of what is secret in it.
func privateKey(t *testing.T) (text, secret string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return string(content), lines[len(lines)-2] // the last before its END
}
