package buildkit

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	docker "github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// buildGroup is where the engine puts the steps of all builds (with its cgroupfs driver). The engine
// of Debian 12 honours no limit of a single build, but the kernel honours one of this group.
var buildGroup = filepath.Join("docker", "buildkit")

// halfOfMemory is the default ceiling.
func halfOfMemory() (int64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("read size of memory: %w", err)
	}
	return int64(info.Totalram) * int64(info.Unit) / 2, nil
}

// ceiling is the memory that all builds share.
type ceiling struct {
	root  string // where control groups are mounted
	bytes int64
}

// holdMemory sets the ceiling and starts to watch it. Without it builds still run, so a machine
// where it cannot be set gets a warning, not a refusal.
func (r *run) holdMemory(ctx context.Context) {
	err := r.sharesGroup(ctx)
	var g group
	if err == nil {
		g, err = r.ceiling.hold()
	}
	if err == nil {
		r.memory, err = g.watch()
	}
	if err != nil {
		r.Builder.log.Warn("builds have no memory ceiling", "err", err)
	}
}

// sharesGroup reports whether the engine puts the steps of all builds in one group. With systemd as its
// driver each step has its own, beside those of other services.
func (b *Builder) sharesGroup(ctx context.Context) error {
	engine, err := b.docker.Info(ctx, docker.InfoOptions{})
	if err != nil {
		return fmt.Errorf("ask engine for its cgroup driver: %w", err)
	}
	if driver := engine.Info.CgroupDriver; driver != "cgroupfs" {
		return fmt.Errorf("the engine's cgroup driver is %s, only cgroupfs has one group for all builds", driver)
	}
	return nil
}

// hold makes sure that the group exists and has the ceiling. The engine makes groups of steps inside
// it and never removes it, but a reboot does: hence before every build.
func (c *ceiling) hold() (group, error) {
	g := c.group()
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return g, fmt.Errorf("make control group of builds: %w", err)
	}
	if g.unified {
		delegateMemory(c.root, g.dir)
	}
	value := strconv.FormatInt(c.bytes, 10)
	if err := os.WriteFile(filepath.Join(g.dir, g.limitFile()), []byte(value), 0); err != nil {
		return g, fmt.Errorf("set memory ceiling of builds: %w", err)
	}
	return g, nil
}

func (c *ceiling) group() group {
	if _, err := os.Stat(filepath.Join(c.root, "cgroup.controllers")); err == nil {
		return group{dir: filepath.Join(c.root, buildGroup), unified: true}
	}
	return group{dir: filepath.Join(c.root, "memory", buildGroup)}
}

// delegateMemory lets every group from the root to dir's parent hand the memory controller down
// (control groups v2). Whether it worked shows when the limit is written.
func delegateMemory(root, dir string) {
	parent := filepath.Dir(dir)
	if parent != root && parent != dir {
		delegateMemory(root, parent)
	}
	_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0)
}

// group is the control group of builds.
type group struct {
	dir     string
	unified bool // control groups v2
}

func (g group) limitFile() string {
	if g.unified {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// watch starts to notice when the group runs out of memory.
func (g group) watch() (*pressure, error) {
	if g.unified {
		n, err := g.events()
		return &pressure{group: g, before: n, event: -1}, err
	}
	return g.notify()
}

// pressure knows whether the group ran out of memory since watch.
type pressure struct {
	group  group
	before int64 // v2: kills counted so far
	event  int   // v1: an eventfd that the kernel adds to; -1: none
}

// notify asks the kernel (control groups v1) to count the times the group ran out of memory in an
// eventfd: the counters of the group itself do not see kills in the groups inside it.
func (g group) notify() (*pressure, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch memory of builds: %w", err)
	}
	p := &pressure{group: g, event: fd}
	if err := p.register(); err != nil {
		return nil, errors.Join(fmt.Errorf("watch memory of builds: %w", err), p.Close())
	}
	return p, nil
}

func (p *pressure) register() error {
	control, err := os.Open(filepath.Join(p.group.dir, "memory.oom_control"))
	if err != nil {
		return err
	}
	defer func() { _ = control.Close() }()
	line := fmt.Sprintf("%d %d", p.event, control.Fd())
	return os.WriteFile(filepath.Join(p.group.dir, "cgroup.event_control"), []byte(line), 0)
}

// events reads how often the kernel killed for want of memory in the group (control groups v2).
func (g group) events() (int64, error) {
	file, err := os.Open(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return 0, fmt.Errorf("watch memory of builds: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if n, found := strings.CutPrefix(lines.Text(), "oom_kill "); found {
			return strconv.ParseInt(n, 10, 64)
		}
	}
	return 0, errors.Join(lines.Err(), fs.ErrNotExist)
}

// ranOut reports whether the group ran out of memory since watch.
func (p *pressure) ranOut() bool {
	switch {
	case p == nil:
		return false
	case p.event < 0:
		n, err := p.group.events()
		return err == nil && n > p.before
	}
	var count [8]byte
	n, err := unix.Read(p.event, count[:])
	return err == nil && n == len(count) && binary.NativeEndian.Uint64(count[:]) > 0
}

// Close ends the watch.
func (p *pressure) Close() error {
	if p == nil || p.event < 0 {
		return nil
	}
	return unix.Close(p.event)
}
