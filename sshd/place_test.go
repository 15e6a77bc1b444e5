package sshd_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sshd"
	"golang.org/x/sys/unix"
)

// place is this machine, with a home of its own.
type place struct {
	home string

	mu     sync.Mutex
	hungUp []string        // commands whose context ended before they did
	ran    []berth.Process // what was asked for
}

func (p *place) Run(ctx context.Context, x berth.Process) (berth.Exit, error) {
	p.mu.Lock()
	p.ran = append(p.ran, x)
	p.mu.Unlock()
	args := map[berth.ProcessKind][]string{
		berth.ProcessShell: {"/bin/bash", "--norc"}, berth.ProcessCommand: {"/bin/bash", "-c", x.Command}, berth.ProcessSFTP: {"/usr/lib/openssh/sftp-server"},
	}[x.Kind]
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Env = p.home, []string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "PS1=$ "}
	for name, value := range x.Env {
		c.Env = append(c.Env, name+"="+value)
	}
	if x.AgentSocket != "" {
		c.Env = append(c.Env, "SSH_AUTH_SOCK="+x.AgentSocket)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start, wait := c.Start, c.Wait
	if x.Terminal != nil {
		start, wait = p.withTerminal(c, x)
	} else {
		stdin, err := c.StdinPipe()
		if err != nil {
			return berth.Exit{}, err
		}
		c.Stdout, c.Stderr = x.Stdout, x.Stderr
		c.WaitDelay = 200e6 // what runs on in the background holds nobody up
		go func() { _, _ = io.Copy(stdin, x.Stdin); _ = stdin.Close() }()
	}
	if err := start(); err != nil {
		return berth.Exit{}, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go p.steer(ctx, c, x, ended)
	if err := wait(); err != nil && c.ProcessState == nil {
		return berth.Exit{}, err
	}
	status, _ := c.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return berth.Exit{Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG"), CoreDumped: status.CoreDump()}, nil
	}
	return berth.Exit{Code: status.ExitStatus()}, nil
}

// steer passes signals on, and hangs up.
func (p *place) steer(ctx context.Context, c *exec.Cmd, x berth.Process, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case name := <-x.Signals:
			_ = syscall.Kill(-c.Process.Pid, unix.SignalNum("SIG"+name))
		case <-ctx.Done():
			p.mu.Lock()
			p.hungUp = append(p.hungUp, x.Command)
			p.mu.Unlock()
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGHUP)
			return
		}
	}
}

// withTerminal gives a program a pseudoterminal whose size follows the client's.
func (p *place) withTerminal(c *exec.Cmd, x berth.Process) (start, wait func() error) {
	var master, slave *os.File
	done := make(chan struct{})
	start = func() (err error) {
		if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
			return err
		}
		if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
		if err != nil {
			return err
		}
		if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
			return err
		}
		resize := func(s berth.WindowSize) {
			_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(s.Height), Col: uint16(s.Width)})
		}
		resize(x.Terminal.Size)
		c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
		c.SysProcAttr.Setctty = true
		c.Env = append(c.Env, "TERM="+x.Terminal.Type)
		if err := c.Start(); err != nil {
			return err
		}
		_ = slave.Close()
		go func() { _, _ = io.Copy(master, x.Stdin) }()
		go func() {
			for {
				select {
				case s := <-x.Resize:
					resize(s)
				case <-done:
					return
				}
			}
		}()
		return nil
	}
	wait = func() error {
		defer close(done)
		_, _ = io.Copy(x.Stdout, master)
		return c.Wait()
	}
	return start, wait
}

func (p *place) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func (p *place) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, network, address)
}

func (p *place) ListenAgent(ctx context.Context) (net.Listener, string, error) {
	dir, err := os.MkdirTemp(p.home, "agent")
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "s")
	l, err := p.Listen(ctx, "unix", path)
	return l, path, err
}

// gateway knows the keys and roles of a test.
type gateway struct {
	place sshd.Place

	mu    sync.Mutex
	keys  map[string]string // person by key in wire format
	roles map[string]bool   // "person user"
	state error             // of the place
	trail []string
	hints chan berth.ID
}

func (g *gateway) Identify(_ context.Context, key []byte) (berth.Caller, berth.ID, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	person, ok := g.keys[string(key)]
	if !ok {
		return berth.Caller{}, "", berth.Errorf(berth.EUnauthenticated, "this key is nobody's")
	}
	return berth.Caller{Person: berth.ID(person), Name: person}, berth.ID("key of " + person), nil
}

func (g *gateway) May(_ context.Context, caller berth.Caller, user string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slug, _, _ := strings.Cut(user, "."); !g.roles[string(caller.Person)+" "+slug] {
		return berth.Errorf(berth.ENotFound, "there is no deployment %s, or you are not a member of its project", slug)
	}
	return nil
}

func (g *gateway) Enter(ctx context.Context, caller berth.Caller, user string) (sshd.Place, error) {
	if err := g.May(ctx, caller, user); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if user == "web-shop.absent" {
		return nil, berth.Errorf(berth.ENotFound, "web-shop has no element absent; it has web")
	}
	return g.place, g.state
}

func (g *gateway) Record(_ context.Context, caller berth.Caller, user, kind, message string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trail = append(g.trail, kind+" "+user+": "+message)
	return nil
}

func (g *gateway) noted() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.trail, "\n")
}

// change changes what the gateway knows, and hints that it may have.
func (g *gateway) change(fn func()) {
	g.mu.Lock()
	fn()
	g.mu.Unlock()
	g.hints <- ""
}
