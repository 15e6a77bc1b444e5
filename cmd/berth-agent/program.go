package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth/agentwire"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const (
	// drainTime is how long output may still come once the program has ended: what it left running in the
	// background holds its output open for ever.
	drainTime = 250 * time.Millisecond
	// maxInput bounds what a program has not read of its input, so that signals get through behind it.
	maxInput = 4 << 20
	// hangUpTime is how long a program may take to end once its person has gone.
	hangUpTime = 5 * time.Second
)

// runProgram starts a program and passes its streams on until it has ended.
func runProgram(conn *net.UnixConn, p agentwire.Program) {
	if p.Kind == "sftp" {
		runFiles(conn)
		return
	}
	who := currentAccount()
	if who.shell == "" {
		refuse(conn, errors.New("there is no shell in this container: its image has neither bash nor sh. Files and forwarded ports work, and other elements may have one"))
		return
	}
	cmd := &exec.Cmd{Path: who.shell, Dir: workDir(), Env: environment(who, p), SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	name := filepath.Base(who.shell)
	if p.Kind == "shell" {
		cmd.Args = []string{"-" + name} // a login shell, by its first argument (sh(1), INVOCATION of bash(1))
	} else {
		cmd.Args = []string{name, "-c", p.Command}
	}
	if p.Terminal != nil {
		runInTerminal(conn, cmd, *p.Terminal)
		return
	}
	runWithPipes(conn, cmd)
}

// environment is the container's, with what a login sets and what the client asked for.
func environment(who account, p agentwire.Program) []string {
	set := map[string]string{"USER": who.name, "LOGNAME": who.name, "SHELL": who.shell}
	if who.home != "" {
		set["HOME"] = who.home
	}
	if os.Getenv("PATH") == "" {
		set["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	if p.Terminal != nil && p.Terminal.Type != "" {
		set["TERM"] = p.Terminal.Type
	}
	if p.AgentSocket != "" {
		set["SSH_AUTH_SOCK"] = p.AgentSocket
	}
	for name, value := range p.Env {
		set[name] = value
	}
	var out []string
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); set[name] == "" {
			out = append(out, entry)
		}
	}
	for name, value := range set {
		out = append(out, name+"="+value)
	}
	return out
}

// copyOut passes output on until it ends or nobody reads it any more.
func copyOut(to *agentwire.Frames, kind byte, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && to.Write(kind, buffer[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

func runWithPipes(conn *net.UnixConn, cmd *exec.Cmd) {
	var ours, theirs [3]*os.File
	defer func() {
		for _, f := range append(ours[:], theirs[:]...) {
			if f != nil {
				_ = f.Close()
			}
		}
	}()
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			refuse(conn, err)
			return
		}
		ours[i], theirs[i] = r, w
		if i == 0 {
			ours[i], theirs[i] = w, r
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	if err := cmd.Start(); err != nil {
		refuse(conn, err)
		return
	}
	for i, f := range theirs {
		_ = f.Close()
		theirs[i] = nil
	}
	if agentwire.WriteLine(conn, agentwire.Reply{}) != nil {
		hangUp(cmd.Process.Pid)
	}
	out := agentwire.NewFrames(conn)
	var copies sync.WaitGroup
	copies.Go(func() { copyOut(out, agentwire.FrameOutput, ours[1]) })
	copies.Go(func() { copyOut(out, agentwire.FrameErrors, ours[2]) })
	h := &hands{pid: cmd.Process.Pid, input: newFeed(ours[0]), group: func() int { return -cmd.Process.Pid }}
	finish(conn, cmd, out, h, &copies, func(until time.Time) {
		_, _ = ours[1].SetReadDeadline(until), ours[2].SetReadDeadline(until)
	})
}

func runInTerminal(conn *net.UnixConn, cmd *exec.Cmd, t agentwire.Terminal) {
	master, slave, err := pty.Open()
	if err != nil {
		refuse(conn, fmt.Errorf("open terminal: %w", err))
		return
	}
	defer func() { _ = master.Close() }()
	defer func() { _ = slave.Close() }()
	resize(master, agentwire.Size{Width: t.Width, Height: t.Height})
	setModes(slave, t.Modes)
	cmd.Env = append(cmd.Env, "SSH_TTY="+slave.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, 0
	if err := cmd.Start(); err != nil {
		refuse(conn, err)
		return
	}
	_ = slave.Close()
	if agentwire.WriteLine(conn, agentwire.Reply{}) != nil {
		hangUp(cmd.Process.Pid)
	}
	out := agentwire.NewFrames(conn)
	var copies sync.WaitGroup
	copies.Go(func() { copyOut(out, agentwire.FrameOutput, master) }) // ends with EIO when the last program closed it
	h := &hands{pid: cmd.Process.Pid, input: newFeed(master), terminal: master, group: func() int { return foreground(master, cmd.Process.Pid) }}
	finish(conn, cmd, out, h, &copies, func(until time.Time) { _ = master.SetReadDeadline(until) })
}

// finish follows what Berth asks until the program has ended, drains its output and says how it ended.
func finish(conn *net.UnixConn, cmd *exec.Cmd, out *agentwire.Frames, h *hands, copies *sync.WaitGroup, drain func(until time.Time)) {
	ended := make(chan struct{})
	go func() {
		h.follow(conn)
		h.gone(ended) // Berth has let go, or says nothing that makes sense
	}()
	_ = cmd.Wait()
	close(ended)
	h.input.close()
	drain(time.Now().Add(drainTime))
	copies.Wait()
	_ = out.WriteJSON(agentwire.FrameExit, exitOf(cmd.ProcessState))
	_ = conn.CloseWrite()
}

func exitOf(state *os.ProcessState) agentwire.Exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return agentwire.Exit{Code: state.ExitCode()}
	}
	return agentwire.Exit{Code: 128 + int(status.Signal()), Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG"), CoreDumped: status.CoreDump()}
}

// hands are what Berth does to a program.
type hands struct {
	pid      int
	input    *feed
	terminal *os.File // nil: pipes
	group    func() int
}

// follow does what the frames say until there are no more.
func (h *hands) follow(conn io.Reader) {
	buffer := make([]byte, agentwire.MaxFrame)
	for {
		kind, payload, err := agentwire.ReadFrame(conn, buffer)
		if err != nil {
			return
		}
		switch kind {
		case agentwire.FrameInput:
			h.input.write(payload)
		case agentwire.FrameEnd:
			h.endInput()
		case agentwire.FrameResize:
			var size agentwire.Size
			if json.Unmarshal(payload, &size) == nil && h.terminal != nil {
				resize(h.terminal, size)
			}
		case agentwire.FrameSignal:
			if signal := unix.SignalNum("SIG" + string(payload)); signal != 0 {
				_ = unix.Kill(h.group(), signal)
			}
		}
	}
}

// endInput types the end of a terminal's input, which has one line for both directions.
func (h *hands) endInput() {
	if h.terminal != nil {
		h.input.write([]byte{4, 4})
		return
	}
	h.input.end()
}

// gone hangs up on a program whose person has gone, and kills it if that is not enough.
func (h *hands) gone(ended <-chan struct{}) {
	select {
	case <-ended:
		return
	default:
	}
	hangUp(h.pid)
	if h.terminal != nil {
		_ = unix.Kill(h.group(), unix.SIGHUP)
	}
	select {
	case <-ended:
	case <-time.After(hangUpTime):
		_ = unix.Kill(-h.pid, unix.SIGKILL)
	}
}

func hangUp(pid int) { _ = unix.Kill(-pid, unix.SIGHUP) }
