package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
	"github.com/distribution/reference"
	"golang.org/x/sys/unix"
)

const (
	upstreamBase = "debian:trixie-slim"
	suite        = "trixie"
	// treeBytes is what a Debian tree and its packages take while it is made.
	treeBytes = 600 << 20
)

// cookBase makes the image that the others stand on: of Debian's own where that can be had, else with
// debootstrap.
func (i *Images) cookBase(ctx context.Context, r recipe, progress io.Writer) error {
	upstream, err := reference.ParseDockerRef(upstreamBase)
	if err != nil {
		return fmt.Errorf("parse %s: %w", upstreamBase, err)
	}
	_, here, err := i.engine.ImageID(ctx, upstreamBase)
	if err != nil {
		return err
	}
	if here || i.pull(ctx, upstream, progress) == nil {
		return i.build(ctx, r, progress)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	rootfs, err := i.bootstrap(ctx, i.dir, &stepFilter{w: progress, prefix: r.ref + ": "})
	if err != nil {
		return err
	}
	_, err = i.engine.ImportImage(ctx, rootfs, r.ref, nil, []string{`CMD ["bash"]`})
	return errors.Join(err, rootfs.Close())
}

// bootstrap makes a Debian tree from the machine's own mirror and returns it as an archive, which has
// to be closed.
func bootstrap(ctx context.Context, dir string, progress io.Writer) (io.ReadCloser, error) {
	program, err := exec.LookPath("debootstrap")
	if err != nil {
		return nil, &berth.Error{Code: berth.EUnavailable, Err: err,
			Message: "no registry serves " + upstreamBase + " and debootstrap is not installed; install it (apt-get install debootstrap) or let Docker reach a registry"}
	}
	tree, remove, err := treeDir(dir)
	if err != nil {
		return nil, err
	}
	mirror := machineMirror(os.DirFS("/etc/apt"))
	if err := debootstrap(ctx, program, tree, mirror, progress); err != nil {
		return nil, errors.Join(err, remove())
	}
	if err := slim(tree, mirror); err != nil {
		return nil, errors.Join(fmt.Errorf("finish Debian tree: %w", err), remove())
	}
	archive, err := startTar(ctx, tree, remove)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return archive, nil
}

// treeDir makes the directory to work in, in memory where there is plenty (Debian's tools flush to disk after
// every package). It is a mount of its own, so that one unmount also takes along whatever a killed
// debootstrap left mounted inside; only then is it safe to remove.
func treeDir(dir string) (tree string, remove func() error, err error) {
	top, err := os.MkdirTemp(dir, "debian-")
	if err != nil {
		return "", nil, fmt.Errorf("make directory for Debian tree: %w", err)
	}
	if plentyOfMemory() {
		err = unix.Mount("berth", top, "tmpfs", 0, "mode=0755")
	} else {
		err = unix.Mount(top, top, "", unix.MS_BIND, "")
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("mount directory for Debian tree: %w", err), os.Remove(top))
	}
	remove = func() error {
		if err := unix.Unmount(top, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount Debian tree: %w", err)
		}
		return os.RemoveAll(top)
	}
	tree = filepath.Join(top, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make directory for Debian tree: %w", err), remove())
	}
	return tree, remove, nil
}

func plentyOfMemory() bool {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return false
	}
	return uint64(info.Freeram)*uint64(info.Unit) > 3*treeBytes
}

func debootstrap(ctx context.Context, program, tree string, m mirror, progress io.Writer) error {
	said := &tail{w: progress}
	cmd := exec.CommandContext(ctx, program, "--variant=minbase", "--force-check-gpg", suite, tree, m.main)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	// Its children (dpkg, wget) have to end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("debootstrap %s from %s: %w\n%s", suite, m.main, err, said.String())
	}
	return nil
}

// slim makes of a fresh Debian tree what an image needs: the machine's mirror with its security
// updates, our apt and dpkg settings, and nothing of the machine itself.
func slim(tree string, m mirror) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, dir := range []string{"var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/locale"} {
		if err := empty(root, dir, func(name string) bool { return name == "locale.alias" }); err != nil {
			return err
		}
	}
	if err := empty(root, "usr/share/doc", func(name string) bool { return name == "copyright" }); err != nil {
		return err
	}
	for _, name := range []string{"etc/hostname", "etc/resolv.conf", "etc/apt/sources.list"} {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	files, err := fs.Sub(recipeFiles, "recipes/base")
	if err != nil {
		return err
	}
	for from, to := range map[string]string{
		"dpkg.cfg":    "etc/dpkg/dpkg.cfg.d/berth",
		"apt.conf":    "etc/apt/apt.conf.d/99berth",
		"policy-rc.d": "usr/sbin/policy-rc.d",
	} {
		content, err := fs.ReadFile(files, from)
		if err != nil {
			return err
		}
		if err := root.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	if err := root.Chmod("usr/sbin/policy-rc.d", 0o755); err != nil {
		return err
	}
	return root.WriteFile("etc/apt/sources.list.d/debian.sources", []byte(m.sources()), 0o644)
}

// empty removes the files below dir but those to keep; directories stay.
func empty(root *os.Root, dir string, keep func(name string) bool) error {
	return fs.WalkDir(root.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || keep(entry.Name()) {
			return err
		}
		return root.Remove(name)
	})
}

// tarStream is a running tar. Closing it, which may be done twice, removes what it archives.
type tarStream struct {
	out   io.ReadCloser
	wait  func() error
	close func() error
}

func startTar(ctx context.Context, tree string, remove func() error) (*tarStream, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "tar", "--create", "--numeric-owner", "--one-file-system", "--directory", tree, "--", ".")
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("archive Debian tree: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("archive Debian tree: %w", err)
	}
	t := &tarStream{out: out}
	t.wait = sync.OnceValue(func() error {
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("archive Debian tree: %w: %s", err, strings.TrimSpace(said.String()))
		}
		return nil
	})
	t.close = sync.OnceValue(func() error {
		_ = out.Close() // where the reader gave up, tar has to notice
		return errors.Join(t.wait(), remove())
	})
	return t, nil
}

// Read ends in tar's error where tar failed, so that half an archive is not taken for a whole one.
func (t *tarStream) Read(p []byte) (int, error) {
	n, err := t.out.Read(p)
	if err != nil {
		if failed := t.wait(); failed != nil {
			err = failed
		}
	}
	return n, err
}

func (t *tarStream) Close() error { return t.close() }

// tail keeps the last lines of what passes through it.
type tail struct {
	w    io.Writer
	last []byte
}

const tailBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p...)
	if len(t.last) > tailBytes {
		t.last = t.last[len(t.last)-tailBytes:]
	}
	return t.w.Write(p)
}

func (t *tail) String() string { return strings.TrimSpace(string(t.last)) }
