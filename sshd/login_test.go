package sshd_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth/sshd"
)

// Who may not enter cannot tell why: the same words, and no difference in time that means anything.
func TestNobodyLearnsWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger, eve := w.newKey(t, ""), w.newKey(t, "eve")
	tries := map[string]struct{ key, user string }{
		"an unknown key": {stranger, "web-shop"}, "no role": {eve, "web-shop"}, "no such deployment": {w.key, "absent-shop"},
		"nonsense": {w.key, "../../etc"}, "git without repositories": {w.key, "git"},
		"a long name": {w.key, strings.Repeat("x", 500)},
	}
	times := map[string][]time.Duration{}
	const rounds = 9
	for range rounds {
		for name, try := range tries {
			other := *w
			other.key = try.key
			began := time.Now()
			got := run(t, other.command(t, "-v", "-l", try.user, "127.0.0.1", "true"))
			times[name] = append(times[name], time.Since(began))
			if got.code != 255 || !strings.Contains(got.stderr, "Permission denied (publickey).") || strings.Count(got.stderr, "Authentications that can continue: publickey") != 2 {
				t.Fatalf("%s: %+v", name, got)
			}
		}
	}
	if testing.Short() {
		return
	}
	var medians []time.Duration
	for _, list := range times {
		slices.Sort(list)
		medians = append(medians, list[rounds/2])
	}
	if spread := slices.Max(medians) - slices.Min(medians); spread > 100*time.Millisecond { // a shared machine
		t.Errorf("the medians are %v apart: %v", spread, times)
	}
}

func TestOnlyKeysLetIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := run(t, w.command(t, "-v", "-o", "BatchMode=no", "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive", destination, "true"))
	if got.code != 255 || !strings.Contains(got.stderr, "Permission denied (publickey).") {
		t.Errorf("%+v", got)
	}
	for _, weak := range []string{"-oKexAlgorithms=diffie-hellman-group14-sha1", "-oMACs=hmac-sha1", "-oMACs=hmac-sha2-256"} {
		if got := w.ssh(t, "true", "-v", weak, "-oCiphers=aes128-ctr"); got.code != 255 || !strings.Contains(got.stderr, "no matching") {
			t.Errorf("%s: %+v", weak, got)
		}
	}
	for _, strong := range []string{"-oCiphers=aes256-gcm@openssh.com", "-oCiphers=chacha20-poly1305@openssh.com", "-oMACs=hmac-sha2-512-etm@openssh.com", "-oHostKeyAlgorithms=rsa-sha2-512", "-oHostKeyAlgorithms=ecdsa-sha2-nistp256"} {
		if got := w.ssh(t, "true", strong); got.code != 0 {
			t.Errorf("%s: %+v", strong, got)
		}
	}
	rsa := filepath.Join(w.dir, "rsa")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", rsa).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.own(t, rsa, "ada")
	other := *w
	other.key = rsa
	if got := other.ssh(t, "true"); got.code != 0 {
		t.Errorf("an RSA key: %+v", got)
	}
	if got := other.ssh(t, "true", "-oPubkeyAcceptedAlgorithms=ssh-rsa"); got.code != 255 {
		t.Errorf("an RSA key with SHA-1: %+v", got)
	}
}

// Developers' agents hold many keys.
func TestTheRightKeyMayComeNinth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var keys []string
	for range 8 {
		keys = append(keys, "-i", w.newKey(t, ""))
	}
	args := append(keys, "-F", "/dev/null", "-i", w.key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "UserKnownHostsFile="+w.knownHosts(), "-o", "BatchMode=yes", "-p", w.port, destination, "true")
	if got := run(t, exec.CommandContext(t.Context(), "ssh", args...)); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// A key, a person or a role that goes ends what it let in, and nothing else.
func TestRevocationEndsLiveConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.roles["bob web-shop"] = true
	bob := *w
	bob.key = w.newKey(t, "bob")
	second := *w
	second.key = w.newKey(t, "ada")
	open := func(w *world, command string) <-chan struct{} {
		_, _, ended := w.start(t, destination, command)
		await(t, command, func() bool { return w.place.running(command) })
		return ended
	}
	first, other, bobs := open(w, "sleep 1001"), open(&second, "sleep 1002"), open(&bob, "sleep 1003")
	w.change(func() { w.revoke(t, w.key) })
	await(t, "the end of the connection whose key is gone", func() bool { return isDone(first) })
	if isDone(other) || isDone(bobs) {
		t.Error("other keys' connections ended too")
	}
	w.change(func() { delete(w.roles, "ada web-shop") })
	await(t, "the end of the connection whose role is gone", func() bool { return isDone(other) })
	if isDone(bobs) {
		t.Error("another person's connection ended too")
	}
	await(t, "a word in the log", func() bool { return strings.Count(w.noted(), "ada was let out") == 2 })
}

func TestTheTrail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ssh(t, "echo s3cret")
	w.ssh(t, "TOKEN=s3cret true")
	await(t, "the end", func() bool { return strings.Count(w.noted(), "ssh.disconnected") == 2 })
	noted := w.noted()
	for _, want := range []string{"ssh.connected web-shop: ada came by SSH from 127.0.0.1 with the key SHA256:", "ssh.ran web-shop: ada runs echo over SSH", "ada runs a command over SSH", "ada left after 0s: 1 program, 0 forwarded streams"} {
		if !strings.Contains(noted, want) {
			t.Errorf("no %q in\n%s", want, noted)
		}
	}
	if strings.Contains(noted, "s3cret") {
		t.Errorf("arguments are noted:\n%s", noted)
	}
}

// A client that knows one of the server's keys learns the others.
func TestHostKeysAreLearned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.trust(t, w.server.PublicKeys()[1])
	w.start(t, "-o", "UpdateHostKeys=yes", "-o", "HostKeyAlgorithms="+strings.Fields(w.server.PublicKeys()[1])[0]+",ssh-ed25519,rsa-sha2-512", destination, "cat")
	for _, key := range w.server.PublicKeys() {
		await(t, "the knowledge of "+strings.Fields(key)[0], func() bool {
			text, err := os.ReadFile(w.knownHosts())
			return err == nil && strings.Contains(string(text), strings.Fields(key)[1])
		})
	}
	if got := w.ssh(t, "true", "-o", "HostKeyAlgorithms=rsa-sha2-512"); got.code != 0 {
		t.Errorf("by a key that was learned: %+v", got)
	}
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *sshd.Config) { c.KeepAlive = 100 * time.Millisecond })
	if got := w.ssh(t, "sleep 2", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"); got.code != 0 {
		t.Errorf("a client that asks and is asked: %+v", got)
	}
	c, _, _ := w.start(t, destination, "sleep 1004")
	await(t, "the program", func() bool { return w.place.running("sleep 1004") })
	_ = c.Process.Signal(syscall.SIGSTOP) // it is there and says nothing
	await(t, "the end of a client that is silent", func() bool { return strings.Count(w.noted(), "ssh.disconnected") == 2 })
}

func TestStrangersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *sshd.Config) {
		c.Handshake = 1500 * time.Millisecond
		c.Penalties = sshd.Penalties{PerFailure: time.Minute, Allowed: 3 * time.Minute, PerAddress: 2}
	})
	silent := func() net.Conn {
		c, err := net.Dial("tcp", "127.0.0.1:"+w.port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	began := time.Now()
	text, _ := io.ReadAll(silent())
	if !strings.HasPrefix(string(text), "SSH-2.0-Berth\r\n") || time.Since(began) > 10*time.Second {
		t.Errorf("who says nothing hears %q for %v", text, time.Since(began))
	}
	first, second := silent(), silent()
	text, _ = io.ReadAll(silent())
	if len(text) != 0 {
		t.Errorf("the third at once hears %q", text)
	}
	_, _ = io.ReadAll(first)
	_, _ = io.ReadAll(second)
	for i := range 4 {
		if text, _ := io.ReadAll(silent()); len(text) == 0 {
			t.Fatalf("who said nothing %d times is not answered", i)
		}
	}
	guess := func() bool {
		c := silent()
		_, _ = c.Write([]byte("SSH-2.0-guess\r\n"))
		text, _ := io.ReadAll(c)
		return len(text) > 0
	}
	await(t, "the end of patience with who guesses", func() bool { return !guess() })
	other, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", "127.0.0.1:"+w.port)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if text, _ := io.ReadAll(other); len(text) == 0 {
		t.Error("another address is not answered")
	}
	if got := run(t, w.command(t, "-b", "127.0.0.3", destination, "true")); got.code != 0 {
		t.Errorf("somebody with a key from elsewhere: %+v", got)
	}
}

// A jump goes through a place like any other forwarded stream.
func TestJump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := filepath.Join(w.dir, "config")
	text := fmt.Sprintf("Host *\nUserKnownHostsFile %s\nIdentityFile %s\nIdentitiesOnly yes\nIdentityAgent none\nBatchMode yes\nUser web-shop\nPort %s\n", w.knownHosts(), w.key, w.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, exec.CommandContext(t.Context(), "ssh", "-F", config, "-J", "127.0.0.1", "127.0.0.1", "echo over there")); got.stdout != "over there\n" {
		t.Errorf("%+v", got)
	}
}

func TestMultiplexing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	control := filepath.Join(w.dir, "control")
	w.start(t, "-N", "-M", "-S", control, destination)
	await(t, "the master", func() bool { _, err := os.Stat(control); return err == nil })
	for i := range 50 {
		if got := w.ssh(t, fmt.Sprintf("exit %d", i), "-S", control); got.code != i {
			t.Fatalf("%d: %+v", i, got)
		}
	}
	if got := strings.Count(w.noted(), "ssh.connected"); got != 1 {
		t.Errorf("%d connections", got)
	}
}
