package git

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// sshHost is a real OpenSSH server on loopback.
type sshHost struct {
	t    *testing.T
	dir  string
	user string
	port int
	stop func()
}

func newSSHHost(t *testing.T) *sshHost {
	t.Helper()
	me, err := user.Current()
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h := &sshHost{t: t, dir: t.TempDir(), user: me.Username, port: l.Addr().(*net.TCPAddr).Port}
	must(t, l.Close())
	h.authorize("")
	h.show("ed25519")
	return h
}

// show starts the server anew with a new host key.
func (h *sshHost) show(kind string) {
	h.t.Helper()
	if h.stop != nil {
		h.stop()
	}
	for _, old := range []string{"host", "host.pub"} {
		_ = os.Remove(filepath.Join(h.dir, old))
	}
	h.keygen("host", kind)
	_ = os.Mkdir("/run/sshd", 0o755) // a server that root starts wants it
	config := fmt.Sprintf("HostKey %s/host\nAuthorizedKeysFile %s/authorized\nStrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n", h.dir, h.dir)
	must(h.t, os.WriteFile(filepath.Join(h.dir, "config"), []byte(config), 0o600))
	daemon := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(h.dir, "config"),
		"-o", "ListenAddress=127.0.0.1:"+strconv.Itoa(h.port))
	log, err := os.Create(filepath.Join(h.dir, "log"))
	must(h.t, err)
	daemon.Stderr = log
	must(h.t, daemon.Start())
	h.stop = func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
		_ = log.Close()
	}
	h.t.Cleanup(func() { h.stop() })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(h.port))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			h.t.Fatalf("sshd does not answer: %v\n%s", err, text)
		}
	}
}

func (h *sshHost) keygen(name, kind string) (public string, private berth.Secret) {
	h.t.Helper()
	file := filepath.Join(h.dir, name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file).CombinedOutput(); err != nil {
		h.t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	text, err := os.ReadFile(file)
	must(h.t, err)
	line, err := os.ReadFile(file + ".pub")
	must(h.t, err)
	return strings.TrimSpace(string(line)), berth.NewSecret(string(text))
}

func (h *sshHost) authorize(lines string) {
	h.t.Helper()
	must(h.t, os.WriteFile(filepath.Join(h.dir, "authorized"), []byte(lines+"\n"), 0o600))
}

func (h *sshHost) url(s source) string {
	return fmt.Sprintf("ssh://%s@127.0.0.1:%d%s/.git", h.user, h.port, s.dir)
}

// spy stands before the machine's ssh and writes down what it is started with.
func spy(t *testing.T) (notes string) {
	t.Helper()
	real, err := exec.LookPath("ssh")
	must(t, err)
	dir := t.TempDir()
	notes = filepath.Join(dir, "notes")
	script := "#!/bin/sh\n{ printf '%s\\n' \"$@\"; env; } >>'" + notes + "'\nexec '" + real + "' \"$@\"\n"
	must(t, os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return notes
}

func TestADeployKeyOpensOnceItIsAccepted(t *testing.T) {
	s := newSource(t)
	commit := s.commit()
	h := newSSHHost(t)
	public, private := h.keygen("deploy", "ed25519")
	notes := spy(t)
	g := repositories(t)
	origin := berth.Upstream{URL: h.url(s), Key: private}

	found, err := g.Fetch(t.Context(), project, origin)
	wantCode(t, err, berth.EInvalid, "does not accept the deploy key")
	if !errors.Is(err, berth.ErrRefused) || len(found.HostKeys) != 1 {
		t.Errorf("%v; the host showed %v", err, found.HostKeys)
	}

	// A key that may do nothing but read is enough.
	h.authorize(`restrict,command="git-upload-pack '` + s.dir + `/.git'" ` + public)
	origin.HostKeys = found.HostKeys
	found, err = g.Fetch(t.Context(), project, origin)
	must(t, err)
	if found.DefaultBranch != "main" || resolve(t, g, "main") != commit {
		t.Errorf("fetched %+v", found)
	}
	h.authorize(public)
	other := berth.Upstream{URL: fmt.Sprintf("ssh://%s@127.0.0.1:%d/nowhere.git", h.user, h.port), Key: private, HostKeys: found.HostKeys}
	_, err = g.Fetch(t.Context(), project, other)
	wantCode(t, err, berth.EInvalid, "no Git repository at ssh://")

	body := strings.Split(private.Reveal(), "\n")[2]
	told, err := os.ReadFile(notes)
	must(t, err)
	if !strings.Contains(string(told), "StrictHostKeyChecking=yes") || strings.Contains(string(told), body) {
		t.Errorf("ssh was started with\n%s", told)
	}
	must(t, filepath.WalkDir(g.config.Dir, func(path string, d os.DirEntry, err error) error {
		if text, _ := os.ReadFile(path); strings.Contains(string(text), body) {
			t.Errorf("%s has the key", path)
		}
		return err
	}))
	if left, _ := os.ReadDir(filepath.Join(g.config.Dir, ".ssh")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAHostThatShowsAnotherKeyIsNotSpokenTo(t *testing.T) {
	s := newSource(t)
	s.commit()
	h := newSSHHost(t)
	public, private := h.keygen("deploy", "ed25519")
	h.authorize(public)
	g := repositories(t)
	origin := berth.Upstream{URL: h.url(s), Key: private}
	found, err := g.Fetch(t.Context(), project, origin)
	must(t, err)
	origin.HostKeys = found.HostKeys
	before := fingerprint(found.HostKeys[0])
	for _, kind := range []string{"ed25519", "ecdsa"} { // also one of a kind that was never seen
		h.show(kind)
		_, err = g.Fetch(t.Context(), project, origin)
		wantCode(t, err, berth.EInvalid, "has changed", "expected is "+before, "--accept-host-key")
		if !errors.Is(err, berth.ErrHostKey) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	origin.HostKeys = nil
	found, err = g.Fetch(t.Context(), project, origin)
	must(t, err)
	if len(found.HostKeys) != 1 || fingerprint(found.HostKeys[0]) == before {
		t.Errorf("expected from now on: %v", found.HostKeys)
	}

	// What a host publishes counts for more than what anybody accepted.
	g.config.KnownHosts = []string{fmt.Sprintf("[127.0.0.1]:%d ", h.port) + strings.Join(strings.Fields(public)[:2], " ")}
	origin.HostKeys = found.HostKeys
	_, err = g.Fetch(t.Context(), project, origin)
	wantCode(t, err, berth.EInvalid, "has changed", "publishes")
}

func TestAnSSHHostThatIsNotThere(t *testing.T) {
	g := repositories(t)
	for url, says := range map[string]string{
		"ssh://git@127.0.0.1:1/x.git": "no SSH server answers at [127.0.0.1]:1",
		"git@host.invalid:x.git":      "resolve host.invalid",
	} {
		_, err := g.Fetch(t.Context(), project, berth.Upstream{URL: url})
		wantCode(t, err, berth.EUnavailable, says)
	}
}
