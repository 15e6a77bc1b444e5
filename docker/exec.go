package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Exec runs a command in an instance's container. Cancelling ctx kills it. A command that cannot be
// started gives its shell's code: 127 not found, 126 not allowed. Reading from x.Stdin may go on until its
// next byte or end after the command has ended.
func (e *Engine) Exec(ctx context.Context, x engine.ExecSpec) (exitCode int, err error) {
	p, err := e.findInstance(ctx, x.Instance)
	if err != nil {
		return 0, err
	}
	c, err := p.container(x.Container)
	if err != nil {
		return 0, err
	}
	options := client.ExecCreateOptions{
		User: x.User, TTY: x.TTY, Cmd: x.Command,
		AttachStdin: x.Stdin != nil, AttachStdout: true, AttachStderr: true,
	}
	size := client.ConsoleSize{}
	if x.TTY && x.Width > 0 && x.Height > 0 {
		size = client.ConsoleSize{Height: uint(x.Height), Width: uint(x.Width)}
	}
	created, err := e.docker.client.ExecCreate(ctx, c.ID, options)
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return 0, engine.ErrNoInstance
	}
	if err != nil {
		return 0, fmt.Errorf("create exec: %w", err)
	}
	stream, err := e.docker.client.ExecAttach(ctx, created.ID, client.ExecAttachOptions{TTY: x.TTY})
	if err != nil {
		return 0, fmt.Errorf("start exec: %w", err)
	}
	r := &run{engine: e, id: created.ID, container: c.ID, stream: stream.HijackedResponse}
	defer r.stream.Close()
	stop := context.AfterFunc(ctx, r.kill)
	defer stop()
	if size.Width > 0 {
		r.resize(ctx, berth.WindowSize{Width: x.Width, Height: x.Height})
	}
	resized, cancel := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		r.followResizes(resized, x.Resize)
	}()
	defer func() { cancel(); <-followed }()
	if x.Stdin != nil {
		go r.feed(x.Stdin, x.TTY)
	}
	err = r.deliver(x)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	code, codeErr := r.exitCode(ctx)
	if err != nil && code != notExecutable && code != notFound {
		return 0, fmt.Errorf("read exec output: %w", err)
	}
	// Where the command could not be started, Docker breaks its own stream to say so in plain text.
	return code, codeErr
}

// Exit codes of a command that could not be started.
const (
	notExecutable = 126
	notFound      = 127
)

// container returns the running main container of that name; the first for an empty one.
func (p *observedPod) container(name string) (containerState, error) {
	for _, c := range p.mains() {
		if !c.running() {
			continue
		}
		if name == "" || c.Labels[labelContainer] == name {
			return c, nil
		}
	}
	if name != "" {
		return containerState{}, berth.Errorf(berth.ENotFound, "there is no running container %q", name)
	}
	return containerState{}, engine.ErrNoInstance
}

// run is one command being run in a container.
type run struct {
	engine    *Engine
	id        string
	container string
	stream    client.HijackedResponse
}

// endOfTransmission is what Ctrl-D types: once to hand over a line that was begun, once to end.
const endOfTransmission = "\x04\x04"

// feed passes stdin on and then says that it ended, while output goes on. A terminal has one line for
// both: where its input is shut, Docker cuts the output off, so the end is typed.
func (r *run) feed(stdin io.Reader, tty bool) {
	_, _ = io.Copy(r.stream.Conn, stdin)
	if tty {
		_, _ = io.WriteString(r.stream.Conn, endOfTransmission)
		return
	}
	_ = r.stream.CloseWrite()
}

// deliver copies the output until it ends.
func (r *run) deliver(x engine.ExecSpec) error {
	stdout, stderr := orDiscard(x.Stdout), orDiscard(x.Stderr)
	if x.TTY {
		_, err := io.Copy(stdout, r.stream.Reader)
		return err
	}
	_, err := stdcopy.StdCopy(stdout, stderr, r.stream.Reader)
	return err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

func (r *run) followResizes(ctx context.Context, sizes <-chan berth.WindowSize) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			r.resize(ctx, size)
		case <-ctx.Done():
			return
		}
	}
}

// resize is best effort: a window's size is never worth failing a session for.
func (r *run) resize(ctx context.Context, size berth.WindowSize) {
	_, err := r.engine.docker.client.ExecResize(ctx, r.id, client.ExecResizeOptions{Height: uint(size.Height), Width: uint(size.Width)})
	if err != nil && ctx.Err() == nil {
		r.engine.log.Debug("resize terminal", "error", err)
	}
}

const exitPoll = 10 * time.Millisecond

// exitCode waits the moment that Docker takes between the end of output and knowing the code.
func (r *run) exitCode(ctx context.Context) (int, error) {
	for {
		s, err := r.engine.docker.client.ExecInspect(ctx, r.id, client.ExecInspectOptions{})
		if errdefs.IsNotFound(err) {
			return 0, engine.ErrNoInstance
		}
		if err != nil {
			return 0, fmt.Errorf("inspect exec: %w", err)
		}
		if !s.Running {
			return s.ExitCode, nil
		}
		if !sleep(ctx, exitPoll) {
			return 0, context.Cause(ctx)
		}
	}
}

const killTimeout = 2 * time.Second

// kill ends a command whose caller has gone: Docker lets it run on.
func (r *run) kill() {
	defer r.stream.Close()
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	s, err := r.engine.docker.client.ExecInspect(ctx, r.id, client.ExecInspectOptions{})
	if err != nil || !s.Running || s.PID <= 0 {
		return
	}
	if err := killProcess(s.PID, r.container); err != nil && !errors.Is(err, engine.ErrNoInstance) {
		r.engine.log.Warn("kill command", "error", err)
	}
}

// killProcess kills a process if it is the container's. The handle keeps to the process that was checked.
func killProcess(pid int, container string) error {
	handle, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process: %w", err)
	}
	defer func() { _ = unix.Close(handle) }()
	p, err := openProcess(pid, container)
	if err != nil {
		return err
	}
	p.close()
	err = unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
