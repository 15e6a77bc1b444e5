package sshd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

func TestPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Run("status, output and errors", func(t *testing.T) {
		for code, command := range map[int]string{0: "echo out; echo err >&2", 3: "echo out; echo err >&2; exit 3"} {
			if got := w.ssh(t, command); got != (result{"out\n", "err\n", code}) {
				t.Errorf("%q: %+v", command, got)
			}
		}
	})
	t.Run("a signal", func(t *testing.T) {
		s := session(t, w.goClient(t, "web-shop"))
		exit := (*ssh.ExitError)(nil)
		if err := s.Run("kill -TERM $$"); !asExit(err, &exit) || exit.Signal() != "TERM" {
			t.Errorf("%v", err)
		}
		if got := w.ssh(t, "kill -KILL $$"); got.code != 255 {
			t.Errorf("ssh ends with %+v", got)
		}
	})
	t.Run("the line is not split", func(t *testing.T) {
		if got := w.ssh(t, `printf '%s|' "a  b" '$HOME' "$((1+1))"`); got.stdout != "a  b|$HOME|2|" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("input ends", func(t *testing.T) {
		c := w.command(t, destination, "tr a-z A-Z; echo ended")
		c.Stdin = strings.NewReader("hello\n")
		if got := run(t, c); got.stdout != "HELLO\nended\n" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the background holds nobody up", func(t *testing.T) {
		began := time.Now()
		if got := w.ssh(t, "sleep 60 & echo begun"); got.stdout != "begun\n" || time.Since(began) > 20*time.Second {
			t.Errorf("%+v after %v", got, time.Since(began))
		}
	})
	t.Run("variables", func(t *testing.T) {
		got := w.ssh(t, `env | grep -E '^(LANG|LC_TIME|TZ|GIT_PROTOCOL|LD_PRELOAD|BASH_ENV|PATH2)=' | sort; echo "$SSH_CLIENT/$SSH_CONNECTION"`,
			"-o", "SetEnv=LANG=C.UTF-8 LC_TIME=C TZ=UTC GIT_PROTOCOL=version=2 LD_PRELOAD=/evil.so BASH_ENV=/evil PATH2=x")
		if want := "GIT_PROTOCOL=version=2\nLANG=C.UTF-8\nLC_TIME=C\nTZ=UTC\n127.0.0.1 "; !strings.HasPrefix(got.stdout, want) || !strings.HasSuffix(got.stdout, " 127.0.0.1 "+w.port+"\n") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("an install script on stdin, as IDEs send it", func(t *testing.T) {
		c := w.command(t, "-T", "-D", freePort(t), "-o", "ConnectTimeout=15", destination, "bash")
		c.Stdin = strings.NewReader("set -e\nmkdir -p .vscode-server\necho installed > .vscode-server/state\ncat .vscode-server/state\n")
		if got := run(t, c); got.stdout != "installed\n" || got.code != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("an element that is not there, to who may know", func(t *testing.T) {
		if got := w.ssh(t, "true", "-l", "web-shop.absent"); got.code != 255 || !strings.Contains(got.stderr, "it has web") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("where nothing runs, the sentence says so", func(t *testing.T) {
		w := newWorld(t)
		w.mu.Lock()
		w.state = berth.Errorf(berth.EUnavailable, "nothing of web-shop runs yet")
		w.mu.Unlock()
		if got := w.ssh(t, "true"); got != (result{"", "berth: nothing of web-shop runs yet\n", 255}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestTerminals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.ssh(t, "stty size; echo $TERM; tty >/dev/null && echo terminal", "-tt"); got.stdout != "24 80\r\ndumb\r\nterminal\r\n" && !strings.HasSuffix(got.stdout, "\r\nterminal\r\n") {
		t.Errorf("%+v", got)
	}
	s := session(t, w.goClient(t, "web-shop"))
	if err := s.RequestPty("xterm-256color", 40, 100, ssh.TerminalModes{ssh.ECHO: 0, ssh.TTY_OP_ISPEED: 38400}); err != nil {
		t.Fatal(err)
	}
	in, out := pipes(t, s)
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	say := func(line string) {
		if _, err := in.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	say("trap 'echo now $(stty size)' WINCH; echo $TERM $(stty size)")
	out.await(t, "xterm-256color 40 100")
	if err := s.WindowChange(50, 120); err != nil {
		t.Fatal(err)
	}
	say("echo")
	out.await(t, "now 50 120")
	if err := s.Signal(ssh.SIGTERM); err != nil {
		t.Fatal(err)
	}
	say("exit 7")
	exit := (*ssh.ExitError)(nil)
	if err := s.Wait(); !asExit(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("%v", err)
	}
}

// What a person runs ends with the connection, and with the channel alone.
func TestHangUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hungUp := func(command string) func() bool {
		return func() bool {
			w.place.mu.Lock()
			defer w.place.mu.Unlock()
			return has(w.place.hungUp, command)
		}
	}
	c, _, _ := w.start(t, destination, "sleep 1000")
	await(t, "the program", func() bool { return w.place.running("sleep 1000") })
	_ = c.Process.Kill()
	await(t, "hanging up when the client is killed", hungUp("sleep 1000"))

	client := w.goClient(t, "web-shop")
	s := session(t, client)
	if err := s.Start("sleep 2000"); err != nil {
		t.Fatal(err)
	}
	await(t, "the program", func() bool { return w.place.running("sleep 2000") })
	_ = s.Close()
	await(t, "hanging up when the channel closes", hungUp("sleep 2000"))
	if out, err := session(t, client).Output("echo still here"); err != nil || string(out) != "still here\n" {
		t.Errorf("the connection: %q, %v", out, err)
	}
}

// Each request that wants an answer gets exactly one, whatever it is.
func TestUnknownRequestsAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.goClient(t, "web-shop")
	for _, name := range []string{"keepalive@openssh.com", "nonsense@example.com", "keepalive@openssh.com", "streamlocal-forward@openssh.com", "hostkeys-prove-00@openssh.com"} {
		ok, _, err := client.SendRequest(name, true, []byte{1, 2, 3})
		if err != nil || ok != (name == "keepalive@openssh.com") {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	channel, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	for name, want := range map[string]bool{"x11-req": false, "nonsense": false, "subsystem": false, "exec": false, "pty-req": false, "env": false, "auth-agent-req@openssh.com": true, "window-change": false} {
		if ok, err := channel.SendRequest(name, true, []byte("\x00")); err != nil || ok != want {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, _, err := client.OpenChannel("x11", nil); err == nil {
		t.Error("an unknown channel is opened")
	}
	if ok, _, err := client.SendRequest("no-more-sessions@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("no more sessions: %v, %v", ok, err)
	}
	if _, err := client.NewSession(); err == nil {
		t.Error("a session is opened after no-more-sessions")
	}
}

func TestManyChannelsOnOneConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.goClient(t, "web-shop")
	var open []*ssh.Session
	for range 300 {
		s := session(t, client)
		if err := s.Start("read line; exit 5"); err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	for _, s := range open {
		_ = s.Signal(ssh.SIGKILL)
	}
	for i, s := range open {
		if err := s.Wait(); err == nil {
			t.Errorf("session %d ended well", i)
		}
	}
}
