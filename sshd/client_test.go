package sshd_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sshd"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server with one place, and what a client of OpenSSH needs to reach it.
type world struct {
	*gateway
	place  *place
	server *sshd.Server
	port   string
	dir    string // of the client
	key    string // file of ada's
	agent  string // socket of an agent
}

// hostKeys are made once: an RSA key takes its time.
var hostKeys = sync.OnceValues(func() (keys []berth.Secret, err error) {
	for _, kind := range sshd.HostKeyTypes() {
		key, err := sshd.NewHostKey(kind)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
})

func newWorld(t *testing.T, change ...func(*sshd.Config)) *world {
	t.Helper()
	keys, err := hostKeys()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{home: t.TempDir()}
	g := &gateway{place: p, keys: map[string]string{}, roles: map[string]bool{"ada web-shop": true}, hints: make(chan berth.ID)}
	c := sshd.Config{Gateway: g, HostKeys: keys, Subscribe: func(context.Context) <-chan berth.ID { return g.hints }, Penalties: sshd.Penalties{Allowed: time.Hour}}
	for _, f := range change {
		f(&c)
	}
	server, err := sshd.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	w := &world{gateway: g, place: p, server: server, port: port, dir: t.TempDir()}
	w.key = w.newKey(t, "ada")
	w.trust(t, server.PublicKeys()...)
	return w
}

// newKey makes a key that is person's, or with "" nobody's, and returns its file.
func (w *world) newKey(t *testing.T, person string) string {
	t.Helper()
	file := filepath.Join(w.dir, fmt.Sprintf("id-%s-%d", person, time.Now().UnixNano()))
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if person != "" {
		w.own(t, file, person)
	}
	return file
}

// own has a key be a person's.
func (w *world) own(t *testing.T, file, person string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[blobOf(t, file)] = person
}

// revoke has a key be nobody's; the caller holds the lock.
func (w *world) revoke(t *testing.T, file string) { delete(w.keys, blobOf(t, file)) }

func blobOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	key, err := berth.ParseSSHKey(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(key.Blob)
}

func (w *world) knownHosts() string { return filepath.Join(w.dir, "known_hosts") }

// trust has the client know these keys of the server.
func (w *world) trust(t *testing.T, keys ...string) {
	t.Helper()
	var text strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&text, "[127.0.0.1]:%s %s\n", w.port, k)
	}
	if err := os.WriteFile(w.knownHosts(), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// options are what every client of OpenSSH is given; none reads the machine's own configuration.
func (w *world) options() []string {
	return []string{"-F", "/dev/null", "-i", w.key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=" + cmp.Or(w.agent, "none"), "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + w.knownHosts(), "-o", "GlobalKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"}
}

type result struct {
	stdout, stderr string
	code           int
}

// command is ssh with options of a test before the destination.
func (w *world) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), "ssh", append(append(w.options(), "-p", w.port), args...)...)
}

func run(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if c.WaitDelay == 0 {
		c.WaitDelay = 10 * time.Second
	}
	err := c.Run()
	if c.ProcessState == nil {
		t.Fatalf("%v: %v", c.Args, err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

const destination = "web-shop@127.0.0.1"

// ssh runs a command in the place.
func (w *world) ssh(t *testing.T, command string, options ...string) result {
	t.Helper()
	return run(t, w.command(t, append(options, destination, command)...))
}

// await fails where something does not come true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never came", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// start runs a client beside the test until it ends.
func (w *world) start(t *testing.T, args ...string) (c *exec.Cmd, stdin io.WriteCloser, ended <-chan struct{}) {
	t.Helper()
	c = w.command(t, args...)
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	t.Cleanup(func() { _ = c.Process.Kill(); <-done })
	return c, stdin, done
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// goClient is a client that can do what no program of OpenSSH does.
func (w *world) goClient(t *testing.T, user string) *ssh.Client {
	t.Helper()
	text, err := os.ReadFile(w.key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssh.Dial("tcp", "127.0.0.1:"+w.port, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// has reports whether a line is there.
func has(lines []string, line string) bool { return slices.Contains(lines, line) }
