package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/engine"
)

// process is a container's first process, held by its directory in /proc: that stays with this very
// process and fails once it is gone, whoever gets its number next.
type process struct{ root *os.Root }

// openProcess opens the process of a container, and makes sure that it is the container's.
func openProcess(pid int, container string) (*process, error) {
	if pid <= 0 {
		return nil, engine.ErrNoInstance
	}
	root, err := os.OpenRoot(filepath.Join("/proc", strconv.Itoa(pid)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, engine.ErrNoInstance
	}
	if err != nil {
		return nil, fmt.Errorf("open process: %w", err)
	}
	p := &process{root}
	groups, err := p.read("cgroup")
	if err != nil || !strings.Contains(groups, container) {
		_ = root.Close()
		return nil, engine.ErrNoInstance
	}
	return p, nil
}

func (p *process) close() { _ = p.root.Close() }

const maxProcFile = 1 << 20

func (p *process) read(name string) (string, error) {
	f, err := p.root.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxProcFile))
	return string(b), err
}

// netns opens the process' network namespace. os.Root would not follow that link, which leads out of
// every directory; opening it relative to the held directory keeps to the process all the same.
func (p *process) netns() (*os.File, error) {
	dir, err := p.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	fd, err := unix.Openat(int(dir.Fd()), "ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return nil, engine.ErrNoInstance
	}
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	return os.NewFile(uintptr(fd), "netns"), nil
}

// inside runs f on a thread that is in the network namespace, and waits for it. Sockets that f makes and
// programs that it starts are of that namespace. f must not start goroutines that matter.
func inside(ctx context.Context, ns *os.File, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		own, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("open own network namespace: %w", err)
			return
		}
		defer func() { _ = own.Close() }()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		err = f(ctx)
		// A thread that cannot go back is never given to anybody else: it ends with this goroutine.
		if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
