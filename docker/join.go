package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
	"github.com/berth-dev/berth/engine"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

const (
	// greetTime is how long a helper that listens may take to prove itself.
	greetTime = 5 * time.Second
	// startTime is how long one may take to listen: Docker's exec is slow on a busy machine.
	startTime = 30 * time.Second
)

// Join connects to the helper in an instance's first container. What answers there is the container's: it has proven
// that it knows the key that only the helper was given, and nothing else.
func (e *Engine) Join(ctx context.Context, instance string) (net.Conn, error) {
	conn, to, err := e.tryJoin(ctx, instance)
	if !isNotThere(err) {
		return conn, err
	}
	unlock, err := e.joining.Lock(ctx, to.Container)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if conn, to, err = e.tryJoin(ctx, instance); !isNotThere(err) {
		return conn, err // somebody else started it
	}
	if err := e.startHelper(ctx, to.Container); err != nil {
		return nil, err
	}
	conn, _, err = e.tryJoin(ctx, instance)
	return conn, err
}

// isNotThere reports whether nothing listens at a helper's name.
func isNotThere(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// tryJoin connects to a helper that listens.
func (e *Engine) tryJoin(ctx context.Context, instance string) (net.Conn, endpoint, error) {
	conn, to, err := e.reach(ctx, instance, func(ctx context.Context, to endpoint) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", agentwire.SocketOf(to.Container))
	})
	if err != nil {
		return nil, to, fmt.Errorf("dial helper: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(greetTime))
	if err := agentwire.Greet(conn, e.helperKey(to.Container)); err != nil {
		_ = conn.Close()
		return nil, to, fmt.Errorf("greet helper: %w", err)
	}
	return conn, to, conn.SetDeadline(time.Time{})
}

func (e *Engine) helperKey(container string) []byte {
	return agentwire.KeyOf([]byte(e.config.AgentKey.Reveal()), container)
}

// startHelper runs the helper in a container, as the container's user, and returns once it listens. The key goes by its
// input: arguments and environment are for everybody to see.
func (e *Engine) startHelper(ctx context.Context, container string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	created, err := e.docker.client.ExecCreate(ctx, container, client.ExecCreateOptions{
		Cmd: []string{agentTarget, "serve"}, AttachStdin: true, AttachStdout: true,
	})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return engine.ErrNoInstance
	}
	if err != nil {
		return fmt.Errorf("create helper: %w", err)
	}
	stream, err := e.docker.client.ExecAttach(ctx, created.ID, client.ExecAttachOptions{TTY: false})
	if err != nil {
		return fmt.Errorf("start helper: %w", err)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	err = agentwire.WriteLine(stream.Conn, agentwire.Start{Container: container, Key: e.helperKey(container)})
	if err == nil {
		err = awaitReady(stream.Reader)
	}
	if err == nil {
		return nil
	}
	(&run{engine: e, id: created.ID, container: container, stream: stream.HijackedResponse}).kill()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return berth.Errorf(berth.EUnavailable, "what runs programs for people did not start in this container; it may be out of memory or processes: try again, or restart the element (%w)", err)
}

// awaitReady reads what the helper says once it listens: one frame of Docker's, of 8 bytes and the line.
func awaitReady(r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read what the helper says: %w", err)
	}
	if len(line) < len(agentwire.Ready) || line[len(line)-len(agentwire.Ready):] != agentwire.Ready {
		return fmt.Errorf("the helper says %.100q", line)
	}
	return nil
}
