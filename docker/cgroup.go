package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
	"github.com/moby/moby/client"
)

// cgroups gives each deployment one parent control group, which holds all of its containers together to
// its size. Docker is told its name; the limits are written here.
type cgroups struct {
	root    string // /sys/fs/cgroup
	unified bool   // version 2
	systemd bool   // the engine has systemd make its groups

	limits *sync.Map // berth.ID → berth.Limits as last written
}

const (
	cgroupRoot   = "/sys/fs/cgroup"
	cpuPeriod    = 100 * time.Millisecond
	slicePrefix  = "berth-"
	cgroupParent = "berth"
)

// controllers that a size needs.
var controllers = [...]string{"memory", "cpu", "pids"}

func openCgroups(ctx context.Context, a *adapter) (cgroups, error) {
	r, err := a.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return cgroups{}, fmt.Errorf("ask Docker about itself: %w", err)
	}
	c := cgroups{root: cgroupRoot, unified: r.Info.CgroupVersion == "2", systemd: r.Info.CgroupDriver == "systemd", limits: &sync.Map{}}
	if c.unified {
		return c, nil
	}
	for _, controller := range controllers {
		if _, err := os.Stat(filepath.Join(c.root, controller)); err != nil {
			return cgroups{}, berth.Errorf(berth.EUnsupported, "this machine's kernel has no %s control group at %s, so that deployments could not be limited: %w", controller, filepath.Join(c.root, controller), err)
		}
	}
	return c, nil
}

// parent is what Docker is told.
func (c cgroups) parent(id berth.ID) string {
	if c.systemd {
		return slicePrefix + string(id) + ".slice"
	}
	return "/" + cgroupParent + "/" + string(id)
}

// path is where the group's files are. Version 2 has one tree for all controllers.
func (c cgroups) path(id berth.ID, controller string) string {
	relative := filepath.Join(cgroupParent, string(id))
	if c.systemd {
		relative = filepath.Join("berth.slice", slicePrefix+string(id)+".slice")
	}
	if c.unified {
		return filepath.Join(c.root, relative)
	}
	return filepath.Join(c.root, controller, relative)
}

// ensure makes the group and writes its limits where they changed.
func (c cgroups) ensure(ctx context.Context, id berth.ID, l berth.Limits) error {
	if last, ok := c.limits.Load(id); ok && last == l && c.exists(id) {
		return nil
	}
	var err error
	if c.systemd {
		err = c.setSlice(ctx, id, l)
	} else {
		err = c.write(id, l)
	}
	if err != nil {
		return fmt.Errorf("limit deployment: %w", err)
	}
	c.limits.Store(id, l)
	return nil
}

func (c cgroups) exists(id berth.ID) bool {
	_, err := os.Stat(c.path(id, controllers[0]))
	return err == nil
}

// setSlice lets systemd write the limits: what is written beside it is lost at its next reload.
func (c cgroups) setSlice(ctx context.Context, id berth.ID, l berth.Limits) error {
	cmd := exec.CommandContext(ctx, "systemctl", "set-property", "--runtime", "--", c.parent(id),
		"MemoryMax="+orInfinity(l.MemoryBytes, ""), "CPUQuota="+cpuPercent(l.MilliCPU), "TasksMax="+orInfinity(l.Processes, ""))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl set-property: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func orInfinity(n int64, unit string) string {
	if n <= 0 {
		return "infinity"
	}
	return strconv.FormatInt(n, 10) + unit
}

func cpuPercent(milli int64) string {
	if milli <= 0 {
		return ""
	}
	return strconv.FormatInt((milli+9)/10, 10) + "%"
}

// limitFile is one file of a group.
type limitFile struct {
	controller string
	name       string
	value      string
	// optional: some kernels do not have it.
	optional bool
}

func (c cgroups) files(l berth.Limits) []limitFile {
	period := strconv.FormatInt(cpuPeriod.Microseconds(), 10)
	quota := l.MilliCPU * cpuPeriod.Microseconds() / 1000
	if c.unified {
		return []limitFile{
			{"memory", "memory.max", orMax(l.MemoryBytes), false},
			{"memory", "memory.swap.max", swapMax(l.MemoryBytes), true},
			{"cpu", "cpu.max", orMax(quota) + " " + period, false},
			{"pids", "pids.max", orMax(l.Processes), false},
		}
	}
	return []limitFile{
		{"memory", "memory.limit_in_bytes", orMinusOne(l.MemoryBytes), false},
		{"memory", "memory.memsw.limit_in_bytes", orMinusOne(l.MemoryBytes), true},
		{"cpu", "cpu.cfs_period_us", period, false},
		{"cpu", "cpu.cfs_quota_us", orMinusOne(quota), false},
		{"pids", "pids.max", orMax(l.Processes), false},
	}
}

func orMax(n int64) string {
	if n <= 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

func orMinusOne(n int64) string {
	if n <= 0 {
		return "-1"
	}
	return strconv.FormatInt(n, 10)
}

// swapMax lets no deployment swap that has a memory limit.
func swapMax(memory int64) string {
	if memory > 0 {
		return "0"
	}
	return "max"
}

func (c cgroups) write(id berth.ID, l berth.Limits) error {
	for _, controller := range controllers {
		if err := c.make(id, controller); err != nil {
			return err
		}
	}
	files := c.files(l)
	// memory+swap may never be below memory: raising writes it first, lowering last. Whichever it is,
	// what failed in the first round fits in the second.
	for round := range 2 {
		var failed error
		for _, f := range files {
			err := os.WriteFile(filepath.Join(c.path(id, f.controller), f.name), []byte(f.value), 0o644)
			switch {
			case err == nil, f.optional && errors.Is(err, fs.ErrNotExist):
			case errors.Is(err, syscall.EBUSY):
				failed = berth.Errorf(berth.EConflict, "the deployment uses more memory than its new size has; stop it first, or choose a larger size")
			default:
				failed = err
			}
		}
		if failed == nil {
			return nil
		}
		if round == 1 {
			return failed
		}
	}
	return nil
}

func (c cgroups) make(id berth.ID, controller string) error {
	dir := c.path(id, controller)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if !c.unified {
		return nil
	}
	// A group can limit its children only where its own parents hand the controllers down.
	for _, parent := range []string{c.root, filepath.Dir(dir), dir} {
		enable := []byte("+" + strings.Join(controllers[:], " +"))
		if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), enable, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// remove drops the group; gone is success. It fails while a process is left in it.
func (c cgroups) remove(ctx context.Context, id berth.ID) error {
	c.limits.Delete(id)
	if c.systemd {
		// Not loaded is success.
		_ = exec.CommandContext(ctx, "systemctl", "stop", "--", c.parent(id)).Run()
		_ = exec.CommandContext(ctx, "systemctl", "revert", "--", c.parent(id)).Run()
	}
	paths, err := c.everywhere(id)
	errs := []error{err}
	for _, path := range paths {
		errs = append(errs, removeTree(path))
	}
	return errors.Join(errs...)
}

// everywhere is the group in every hierarchy: Docker makes it also where we limit nothing.
func (c cgroups) everywhere(id berth.ID) (paths []string, err error) {
	if c.unified {
		return []string{c.path(id, "")}, nil
	}
	hierarchies, err := os.ReadDir(c.root)
	if err != nil {
		return nil, fmt.Errorf("list control groups: %w", err)
	}
	for _, h := range hierarchies {
		paths = append(paths, c.path(id, h.Name()))
	}
	return paths, nil
}

// removeTree removes a control group and those below it: only the directories can be, not their files.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove control group: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove control group %s: %w", dir, err)
	}
	return nil
}
