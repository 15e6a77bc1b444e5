package sshd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// freePort is a TCP port of loopback that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// echo answers each line in capitals and, once its client has said all, "goodbye": who cuts a connection at its
// first end never sees that.
func echo(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintln(c, strings.ToUpper(lines.Text()))
				}
				fmt.Fprintln(c, "goodbye")
			}()
		}
	}()
	return l
}

// ask says hello, ends, and returns the answer.
func ask(network, address string) string {
	c, err := net.Dial(network, address)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	fmt.Fprintln(c, "hello")
	switch c := c.(type) {
	case *net.TCPConn:
		_ = c.CloseWrite()
	case *net.UnixConn:
		_ = c.CloseWrite()
	}
	text, _ := io.ReadAll(c)
	return string(text)
}

const answer = "HELLO\ngoodbye\n"

func awaitAnswer(t *testing.T, network, address string) {
	t.Helper()
	last := ""
	await(t, "an answer at "+address, func() bool { last = ask(network, address); return last == answer })
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inside := echo(t, "tcp", "127.0.0.1:0").Addr().String()
	_, insidePort, _ := net.SplitHostPort(inside)
	insideSocket := filepath.Join(t.TempDir(), "in")
	echo(t, "unix", insideSocket)

	t.Run("to a port, from a port and a socket", func(t *testing.T) {
		port, socket := freePort(t), filepath.Join(t.TempDir(), "local")
		w.start(t, "-N", "-L", "127.0.0.1:"+port+":localhost:"+insidePort, "-L", socket+":"+insideSocket, destination)
		awaitAnswer(t, "tcp", "127.0.0.1:"+port)
		awaitAnswer(t, "unix", socket)
	})
	t.Run("with a half-close", func(t *testing.T) {
		c := w.command(t, "-W", inside, destination)
		c.Stdin = strings.NewReader("hello\n")
		if got := run(t, c); got.stdout != answer {
			t.Errorf("%+v", got)
		}
	})
	t.Run("dynamically", func(t *testing.T) {
		port := freePort(t)
		page := filepath.Join(t.TempDir(), "page")
		if err := os.WriteFile(page, []byte("page"), 0o600); err != nil {
			t.Fatal(err)
		}
		served := freePort(t)
		server := exec.CommandContext(t.Context(), "busybox", "httpd", "-f", "-p", "127.0.0.1:"+served, "-h", filepath.Dir(page))
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
		w.start(t, "-N", "-D", "127.0.0.1:"+port, destination)
		await(t, "a page by the name localhost", func() bool {
			out, err := exec.CommandContext(t.Context(), "curl", "-s", "--socks5-hostname", "127.0.0.1:"+port, "http://localhost:"+served+"/page").Output()
			return err == nil && string(out) == "page"
		})
	})
	t.Run("from inside, ports and sockets", func(t *testing.T) {
		outside := echo(t, "tcp", "127.0.0.1:0").Addr().String()
		port, socket := freePort(t), filepath.Join(t.TempDir(), "remote")
		w.start(t, "-N", "-o", "ExitOnForwardFailure=yes", "-R", port+":"+outside, "-R", socket+":"+outside, destination)
		awaitAnswer(t, "tcp", "127.0.0.1:"+port)
		awaitAnswer(t, "unix", socket)
		if got := w.ssh(t, "true", "-o", "ExitOnForwardFailure=yes", "-R", port+":"+outside); got.code != 255 || !strings.Contains(got.stderr, "remote port forwarding failed") {
			t.Errorf("a port twice: %+v", got)
		}
		if got := w.ssh(t, "true", "-o", "ExitOnForwardFailure=yes", "-R", "80:"+outside); got.code != 255 {
			t.Errorf("a privileged port: %+v", got)
		}
		if got := w.ssh(t, "true", "-o", "ExitOnForwardFailure=yes", "-R", "192.0.2.1:0:"+outside); got.code != 255 {
			t.Errorf("another address: %+v", got)
		}
	})
	t.Run("a port of the server's choice, per connection", func(t *testing.T) {
		for _, name := range []string{"one", "two"} {
			client := w.goClient(t, "web-shop")
			l, err := client.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				c, err := l.Accept()
				if err == nil {
					fmt.Fprint(c, name)
					_ = c.Close()
				}
			}()
			if got := ask("tcp", l.Addr().String()); got != name {
				t.Errorf("%s is answered by %q", name, got)
			}
			if err := l.Close(); err != nil {
				t.Errorf("cancel: %v", err)
			}
			if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
				t.Error("it still listens")
			}
		}
	})
	t.Run("what does not answer is refused", func(t *testing.T) {
		if _, err := w.goClient(t, "web-shop").Dial("tcp", "127.0.0.1:"+freePort(t)); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%v", err)
		}
	})
	if noted := w.noted(); !strings.Contains(noted, "ada connects to localhost:"+insidePort) || !strings.Contains(noted, "ada listens on ") {
		t.Errorf("the trail is\n%s", noted)
	}
}

func TestAgentForwarding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := filepath.Join(t.TempDir(), "agent")
	agent := exec.CommandContext(t.Context(), "ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	await(t, "the agent", func() bool { _, err := os.Stat(socket); return err == nil })
	add := exec.CommandContext(t.Context(), "ssh-add", "-q", w.key)
	add.Env = []string{"SSH_AUTH_SOCK=" + socket}
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.agent = socket
	with := func(command string, options ...string) result {
		return run(t, w.command(t, append(options, destination, command)...))
	}
	if got := with("ssh-add -l", "-A"); got.code != 0 || !strings.Contains(got.stdout, "SHA256:") {
		t.Errorf("%+v", got)
	}
	if got := with("echo socket=$SSH_AUTH_SOCK", "-a"); got.stdout != "socket=\n" {
		t.Errorf("an agent that nobody forwards: %+v", got)
	}
	control := filepath.Join(w.dir, "control")
	w.start(t, "-N", "-M", "-S", control, "-A", destination)
	await(t, "the master", func() bool { _, err := os.Stat(control); return err == nil })
	_, stdin, first := w.start(t, "-S", control, "-A", destination, "cat")
	await(t, "the first", func() bool { return w.place.running("cat") })
	if got := with("ssh-add -l", "-A", "-S", control); got.code != 0 {
		t.Errorf("the second of two: %+v", got)
	}
	_ = stdin.Close()
	await(t, "the first's end", func() bool { return isDone(first) })
	if got := with("ssh-add -l", "-A", "-S", control); got.code != 0 {
		t.Errorf("after another one's end: %+v", got)
	}
}
