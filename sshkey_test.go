package berth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// keygen makes a key with OpenSSH and returns the path of its private half.
func keygen(t *testing.T, options ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	out, err := exec.CommandContext(t.Context(), "ssh-keygen", append([]string{"-q", "-N", "", "-f", file, "-C", "ada@laptop with a comment"}, options...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", options, err, out)
	}
	return file
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestKeysOfOpenSSHAreRead(t *testing.T) {
	for name, options := range map[string][]string{
		"ssh-ed25519": {"-t", "ed25519"}, "ssh-rsa": {"-t", "rsa", "-b", "2048"}, "ecdsa-sha2-nistp256": {"-t", "ecdsa"},
		"ecdsa-sha2-nistp384": {"-t", "ecdsa", "-b", "384"}, "ecdsa-sha2-nistp521": {"-t", "ecdsa", "-b", "521"},
	} {
		t.Run(name, func(t *testing.T) {
			file := keygen(t, options...)
			key, err := berth.ParseSSHKey(read(t, file+".pub"))
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-l", "-f", file+".pub").Output()
			if err != nil || key.Type != name || strings.Fields(string(out))[1] != key.Fingerprint {
				t.Errorf("read %s %s of %s, %v", key.Type, key.Fingerprint, out, err)
			}
			if _, err := berth.ParseSSHKey(read(t, file)); err == nil || !strings.Contains(err.Error(), "private key") {
				t.Errorf("the private half: %v", err)
			}
		})
	}
}

// wire is a key of parts, as a line.
func wire(parts ...string) string {
	var blob []byte
	for _, p := range parts {
		blob = append(binary.BigEndian.AppendUint32(blob, uint32(len(p))), p...)
	}
	return parts[0] + " " + base64.StdEncoding.EncodeToString(blob)
}

func TestSecurityKeysAreRead(t *testing.T) {
	if _, err := berth.ParseSSHKey(wire("sk-ssh-ed25519@openssh.com", strings.Repeat("k", 32), "ssh:")); err != nil {
		t.Error(err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	good := wire("ssh-ed25519", strings.Repeat("k", 32))
	for text, want := range map[string]string{
		"":                                  "there is no key",
		"hello":                             "this is no public key",
		good + "\n" + good:                  "several lines",
		"no-pty " + good:                    "this is no public key",
		`command="rm -rf /" ` + good:        "options",
		"restrict " + good:                  "options",
		wire("ssh-dss", "p", "q", "g", "y"): "DSA",
		wire("ssh-ed25519-cert-v01@openssh.com", "x"):        "certificate",
		wire("ssh-ed25519", strings.Repeat("k", 31)):         "no ssh-ed25519 key",
		wire("ssh-ed25519", strings.Repeat("k", 32), "more"): "no ssh-ed25519 key",
		good[:40]:         "no ssh-ed25519 key",
		"ssh-ed25519":     "cut off",
		"ssh-ed25519 !!!": "cut off",
		"ssh-rsa " + strings.TrimPrefix(good, "ssh-ed25519 "):                   "no ssh-rsa key",
		wire("ssh-rsa", "\x01\x00\x01", strings.Repeat("\x7f", 128)):            "1023 bits is too weak",
		wire("ssh-rsa", "\x02", strings.Repeat("\x7f", 256)):                    "no ssh-rsa key",
		wire("ssh-rsa", "\x01\x00\x01", strings.Repeat("\x7f", 2100)):           "too slow",
		wire("ecdsa-sha2-nistp256", "nistp256", "\x04"+strings.Repeat("x", 64)): "no ecdsa-sha2-nistp256 key",
		"---- BEGIN SSH2 PUBLIC KEY ----":                                       "another format",
		strings.Repeat("x", 20<<10):                                             "too long",
	} {
		_, err := berth.ParseSSHKey(text)
		if berth.CodeOf(err) != berth.EInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// A private key that was pasted is not repeated in any error.
func TestAPrivateKeyIsNotRepeated(t *testing.T) {
	private := read(t, keygen(t, "-t", "ed25519"))
	secret := strings.Split(private, "\n")[2]
	for _, text := range []string{private, strings.ReplaceAll(private, "\n", " "), "key: " + private, "PuTTY-User-Key-File-3: ssh-ed25519\n" + secret} {
		if _, err := berth.ParseSSHKey(text); err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), ".pub") {
			t.Errorf("%v", err)
		}
	}
}

func FuzzParseSSHKey(f *testing.F) {
	f.Add(wire("ssh-ed25519", strings.Repeat("k", 32)))
	f.Add(wire("ssh-rsa", "\x01\x00\x01", strings.Repeat("\x7f", 256)))
	f.Add("ssh-rsa AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := berth.ParseSSHKey(text)
		if err != nil {
			if berth.CodeOf(err) != berth.EInvalid {
				t.Error(err)
			}
			return
		}
		again, err := berth.ParseSSHKey(key.Type + " " + base64.StdEncoding.EncodeToString(key.Blob))
		if err != nil || !bytes.Equal(again.Blob, key.Blob) || again.Fingerprint != key.Fingerprint {
			t.Errorf("%+v does not come back: %v", key, err)
		}
	})
}
