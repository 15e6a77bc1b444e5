package session

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
)

// helper is the real helper, run on this machine in the place of a container.
type helper struct {
	container string
	key       []byte
}

func (h helper) Join(ctx context.Context, instance string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", agentwire.SocketOf(h.container))
	if err != nil {
		return nil, err
	}
	return conn, agentwire.Greet(conn, h.key)
}

var buildHelper = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "berth-agent-test-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "berth-agent")
	out, err := exec.Command("go", "build", "-o", binary, "../cmd/berth-agent").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return binary, err
})

func startHelper(t *testing.T, environment ...string) helper {
	t.Helper()
	binary, err := buildHelper()
	if err != nil {
		t.Fatal(err)
	}
	h := helper{container: string(berth.NewID()), key: []byte("a key that only these two know")}
	cmd := exec.Command(binary, "serve")
	cmd.Env = append(os.Environ(), environment...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if err := agentwire.WriteLine(in, agentwire.Start{Container: h.container, Key: h.key}); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len(agentwire.Ready))
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != agentwire.Ready {
		t.Fatalf("the helper says %q, %v", ready, err)
	}
	return h
}

func newPlace(t *testing.T, environment ...string) *Place {
	t.Helper()
	h := startHelper(t, environment...)
	s, _, _ := newSessions(t, nil)
	s.Joiner = h
	p, err := s.As(berth.Caller{Person: "p", Name: "worker"}).Place(t.Context(), "web-shop")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ran is what came of a command.
type ran struct {
	out, errors string
	exit        berth.Exit
}

func (p *Place) command(t *testing.T, x berth.Process) ran {
	t.Helper()
	var out, errors bytes.Buffer
	x.Kind, x.Stdout, x.Stderr = berth.ProcessCommand, &out, &errors
	exit, err := p.Run(t.Context(), x)
	if err != nil {
		t.Fatalf("%s: %v", x.Command, err)
	}
	return ran{out.String(), errors.String(), exit}
}

func TestRunACommand(t *testing.T) {
	home := t.TempDir()
	p := newPlace(t, "HOME="+home, "FROM_CONTAINER=kept", "SSH_AUTH_SOCK=")
	for name, c := range map[string]struct {
		x    berth.Process
		want ran
	}{
		"its output, apart from its errors": {berth.Process{Command: "echo out; echo err >&2"}, ran{out: "out\n", errors: "err\n"}},
		"its code":                          {berth.Process{Command: "exit 3"}, ran{exit: berth.Exit{Code: 3}}},
		"the signal that ends it":           {berth.Process{Command: "kill -TERM $$"}, ran{exit: berth.Exit{Code: 143, Signal: "TERM"}}},
		"a line that is not split":          {berth.Process{Command: `printf '%s|' "a  b" 'c"d'`}, ran{out: `a  b|c"d|`}},
		"the end of its input":              {berth.Process{Command: "cat; echo end", Stdin: strings.NewReader("in\n")}, ran{out: "in\nend\n"}},
		"no input":                          {berth.Process{Command: "cat; echo end"}, ran{out: "end\n"}},
		"the container's environment":       {berth.Process{Command: "echo $FROM_CONTAINER $ASKED", Env: map[string]string{"ASKED": "too"}}, ran{out: "kept too\n"}},
		"its home":                          {berth.Process{Command: "pwd; echo $HOME"}, ran{out: home + "\n" + home + "\n"}},
		"the forwarded agent":               {berth.Process{Command: "echo $SSH_AUTH_SOCK", AgentSocket: "/x/agent"}, ran{out: "/x/agent\n"}},
		"what it leaves in the background":  {berth.Process{Command: "sleep 60 & echo done"}, ran{out: "done\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := p.command(t, c.x); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestRunCarriesEveryByte(t *testing.T) {
	p := newPlace(t)
	sent := bytes.Repeat([]byte("0123456789abcdef\x00\n"), 1<<20)
	var got bytes.Buffer
	if _, err := p.Run(t.Context(), berth.Process{Kind: berth.ProcessCommand, Command: "cat", Stdin: bytes.NewReader(sent), Stdout: &got}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes came back of %d", got.Len(), len(sent))
	}
}

func TestRunInATerminal(t *testing.T) {
	p := newPlace(t)
	resize, signals := make(chan berth.WindowSize), make(chan string)
	in, typed := io.Pipe()
	out, shown := io.Pipe()
	done := make(chan ran, 1)
	go func() {
		exit, err := p.Run(context.WithoutCancel(t.Context()), berth.Process{Kind: berth.ProcessCommand, Stdin: in, Stdout: shown, Resize: resize, Signals: signals,
			Terminal: &berth.Terminal{Type: "xterm-256color", Modes: map[uint8]uint32{53: 0}}, // ECHO is off
			Command:  `trap 'echo $TERM; stty size; echo again' WINCH; trap 'echo told; exit 7' INT; test -t 0 && stty size; while :; do read -t 0.1 line && echo "read $line"; done`})
		if err != nil {
			t.Error(err)
		}
		_ = shown.Close()
		done <- ran{exit: exit}
	}()
	see := func(want string) {
		t.Helper()
		var seen strings.Builder
		for one := make([]byte, 1); !strings.HasSuffix(seen.String(), want); seen.Write(one) {
			if _, err := io.ReadFull(out, one); err != nil {
				t.Fatalf("%v after %q, want %q", err, seen.String(), want)
			}
		}
	}
	see("24 80\r\n") // 0×0 is not a size
	resize <- berth.WindowSize{Width: 132, Height: 50}
	see("xterm-256color\r\n50 132\r\nagain\r\n")
	if _, err := io.WriteString(typed, "a line\n"); err != nil {
		t.Fatal(err)
	}
	see("read a line\r\n")
	signals <- "INT"
	see("told\r\n")
	if got := <-done; got.exit.Code != 7 {
		t.Errorf("it ended with %+v", got.exit)
	}
	_ = typed.Close()
}

func TestWhoHangsUpEndsTheProgram(t *testing.T) {
	p := newPlace(t)
	mark := filepath.Join(t.TempDir(), "hung-up")
	ctx, hangUp := context.WithCancel(t.Context())
	started := make(chan struct{})
	out := onWrite(func([]byte) { close(started) })
	ended := make(chan error, 1)
	go func() {
		_, err := p.Run(ctx, berth.Process{Kind: berth.ProcessCommand, Stdout: out,
			Command: "trap 'echo > " + mark + "; exit' HUP; echo started; while :; do sleep 0.1; done"})
		ended <- err
	}()
	<-started
	if n := p.sessions.Active(p.deployment.ID); n != 1 {
		t.Errorf("%d are at work in it", n)
	}
	hangUp()
	if err := <-ended; err == nil {
		t.Error("it ended well")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(mark); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program was not told")
		}
	}
	if n := p.sessions.Active(p.deployment.ID); n != 0 {
		t.Errorf("%d are at work in it", n)
	}
}

type onWrite func([]byte)

func (f onWrite) Write(b []byte) (int, error) { f(b); return len(b), nil }

// echoAfterEnd answers with all that came, once its sender has ended: who cuts both directions at once hears nothing.
func echoAfterEnd(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			all, _ := io.ReadAll(conn)
			_, _ = conn.Write(all)
			_ = conn.Close()
		}()
	}
}

func TestDialFromInside(t *testing.T) {
	p := newPlace(t)
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s")} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go echoAfterEnd(l)
		target := l.Addr().String()
		if network != "unix" {
			_, port, _ := net.SplitHostPort(target)
			network, target = "tcp", "localhost:"+port
		}
		conn, err := p.Dial(t.Context(), network, target)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		sent := bytes.Repeat([]byte("x"), 4<<20)
		go func() {
			_, _ = conn.Write(sent)
			_ = conn.(halfCloser).CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d bytes came back of %d, %v", target, len(got), len(sent), err)
		}
		_ = conn.Close()
	}
	if _, err := p.Dial(t.Context(), "tcp", "127.0.0.1:1"); berth.CodeOf(err) != berth.EUnavailable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("where nothing listens: %v", err)
	}
	if _, err := p.Dial(t.Context(), "udp", "127.0.0.1:53"); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("by UDP: %v", err)
	}
}

func TestListenInside(t *testing.T) {
	p := newPlace(t)
	for network, wanted := range map[string]string{"tcp": "0.0.0.0:0", "unix": filepath.Join(t.TempDir(), "s")} {
		l, err := p.Listen(t.Context(), network, wanted)
		if err != nil {
			t.Fatal(err)
		}
		if network == "tcp" && !strings.HasPrefix(l.Addr().String(), "127.0.0.1:") {
			t.Errorf("it listens at %s", l.Addr())
		}
		go echoAfterEnd(l)
		conn, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "hello")
		_ = conn.(halfCloser).CloseWrite()
		if got, err := io.ReadAll(conn); string(got) != "hello" {
			t.Errorf("%s: %q, %v", network, got, err)
		}
		_ = conn.Close()
		_ = l.Close()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := net.Dial(network, l.Addr().String()); err != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it listens on after its end")
			}
		}
	}
	if _, err := p.Listen(t.Context(), "tcp", "127.0.0.1:80"); err == nil {
		t.Error("it listens at port 80")
	}
}

func TestListenForAnAgent(t *testing.T) {
	home := t.TempDir()
	p := newPlace(t, "HOME="+home)
	first, path, err := p.ListenAgent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	second, again, err := p.ListenAgent(t.Context())
	if err != nil || again != path || path != filepath.Join(home, ".ssh", "agent.sock") {
		t.Fatalf("at %s and %s, %v", path, again, err)
	}
	socket, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := os.Stat(filepath.Dir(socket)); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("others may reach it: %v, %v", dir.Mode(), err)
	}
	go echoAfterEnd(second)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "keys?")
	_ = conn.(halfCloser).CloseWrite()
	if got, err := io.ReadAll(conn); string(got) != "keys?" {
		t.Errorf("%q, %v", got, err)
	}
	_ = second.Close()
}

func TestManyAtOnce(t *testing.T) {
	p := newPlace(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			var out bytes.Buffer
			_, err := p.Run(t.Context(), berth.Process{Kind: berth.ProcessCommand, Command: fmt.Sprintf("echo %d", i), Stdout: &out})
			if err != nil || out.String() != fmt.Sprintln(i) {
				t.Errorf("%d: %q, %v", i, out.String(), err)
			}
		})
	}
	all.Wait()
}

func TestPlaceIsForThoseWhoMay(t *testing.T) {
	s, _, _ := newSessions(t, nil)
	s.Joiner = helper{}
	for _, c := range []struct {
		name, target string
		code         berth.Code
	}{{"reader", "web-shop", berth.EForbidden}, {"worker", "other", berth.ENotFound}, {"worker", "web-shop.absent", berth.ENotFound}, {"worker", "web-shop.web.7", berth.EUnavailable}} {
		if _, err := s.As(berth.Caller{Person: "p", Name: c.name}).Place(t.Context(), c.target); berth.CodeOf(err) != c.code {
			t.Errorf("%s at %s: %v", c.name, c.target, err)
		}
	}
}

func TestAStrangerIsNotServed(t *testing.T) {
	h := startHelper(t)
	h.key = []byte("another key")
	if _, err := h.Join(t.Context(), ""); err == nil {
		t.Error("whoever knows no key believes the helper")
	}
	conn, err := net.Dial("unix", agentwire.SocketOf(h.container))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write(bytes.Repeat([]byte("x"), 64))
	_ = agentwire.WriteLine(conn, agentwire.Request{Do: agentwire.Run, Program: &agentwire.Program{Kind: "command", Command: "true"}})
	if all, _ := io.ReadAll(conn); len(all) > 64 { // the helper's part of the handshake, and no reply
		t.Errorf("it was served: %q", all)
	}
}
