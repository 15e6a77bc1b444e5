package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// pool is a file that holds a file system of its own, and where that is mounted.
type pool struct {
	kind berth.StorageKind
	file string
	at   string
}

// maker is a program that makes a file system of a kind, with its arguments before the file's name, and the
// Debian package that has it.
type maker struct {
	program string
	args    []string
	pkg     string
}

var makers = map[berth.StorageKind]maker{
	berth.StorageBtrfs: {"mkfs.btrfs", []string{"-q", "-m", "single", "-O", "no-holes", "-R", "free-space-tree"}, "btrfs-progs"},
	berth.StorageXFS:   {"mkfs.xfs", []string{"-q", "-s", "size=4096", "-m", "reflink=1"}, "xfsprogs"},
}

// find returns the program's path, which may lie where only root looks.
func (m maker) find() (string, error) {
	if path, err := exec.LookPath(m.program); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(filepath.Join("/usr/sbin", m.program))
	if err != nil {
		return "", berth.Errorf(berth.EUnsupported, "%s is not installed: apt-get install %s", m.program, m.pkg)
	}
	return path, nil
}

// make makes the file, sparse, with an empty file system. It appears under its name whole or not at all.
func (p pool) make(ctx context.Context, size int64) (err error) {
	how := makers[p.kind]
	program, err := how.find()
	if err != nil {
		return err
	}
	draft := p.file + ".new"
	file, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make pool: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(draft))
		}
	}()
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return fmt.Errorf("make pool: %w", err)
	}
	if out, err := exec.CommandContext(ctx, program, append(how.args[:len(how.args):len(how.args)], draft)...).CombinedOutput(); err != nil {
		return fmt.Errorf("make pool: %s: %w: %.500s", how.program, err, out)
	}
	if err := os.Rename(draft, p.file); err != nil {
		return fmt.Errorf("make pool: %w", err)
	}
	return nil
}

// mount mounts the pool unless it is; what else is mounted there is an error.
func (p pool) mount() error {
	if err := os.MkdirAll(p.at, 0o700); err != nil {
		return fmt.Errorf("make place of pool: %w", err)
	}
	device, release, err := attach(p.file)
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	source, mounted, err := mountedAt(p.at)
	switch {
	case err != nil:
		return err
	case mounted && source == device:
		return p.prepare()
	case mounted:
		return berth.Errorf(berth.EConflict, "%s is mounted at %s, where Berth keeps volumes; unmount it, then start again", source, p.at)
	}
	if err := unix.Mount(device, p.at, string(p.kind), unix.MS_NODEV, "discard"); err != nil {
		return fmt.Errorf("mount pool: %w", err)
	}
	return p.prepare()
}

// prepare sets up what a mounted pool needs each time. Doing it again harms nothing.
func (p pool) prepare() error {
	if err := os.Chmod(p.at, 0o700); err != nil {
		return fmt.Errorf("close pool to others: %w", err)
	}
	if p.kind != berth.StorageBtrfs {
		return nil
	}
	return enableQuotas(p.at)
}

// unmount takes the pool away; not mounted is success.
func (p pool) unmount() error {
	if err := unix.Unmount(p.at, unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount pool: %w", err)
	}
	return nil
}

// isEmpty reports whether nothing is in the pool that anybody needs. One that is not mounted only looks so.
func (p pool) isEmpty() (bool, error) {
	if _, mounted, err := mountedAt(p.at); err != nil || !mounted {
		return false, err
	}
	entries, err := os.ReadDir(p.at)
	if err != nil {
		return false, fmt.Errorf("list trees: %w", err)
	}
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return e.Name() != trash && !strings.HasPrefix(e.Name(), moving)
	}), nil
}

// destroy unmounts the pool and deletes it with all that it holds.
func (p pool) destroy() error {
	if err := p.unmount(); err != nil {
		return err
	}
	for _, name := range []string{p.file, p.at} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove pool: %w", err)
		}
	}
	return nil
}
