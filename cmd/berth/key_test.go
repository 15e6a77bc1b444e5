package main

import (
	"context"
	"os"
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
	c.in = strings.NewReader("-----BEGIN OPENSSH PRIVATE KEY-----\nS3CRET\n")
	if c.mustFail(t, exitFailed, "private key", "key", "add", "oops", "-"); len(ring.added) != 2 || strings.Contains(c.err.String(), "S3CRET") {
		t.Errorf("a private key went further: %q %s", ring.added, c.err)
	}
}
