package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// RemoveAll deletes a deployment's tree. The tree leaves its place at once, by one rename; what of it
// is not deleted when ctx ends or the machine stops is deleted by the next call. A deployment without
// a tree is no error.
func (s *Volumes) RemoveAll(ctx context.Context, deployment berth.ID) error {
	if !partPattern.MatchString(string(deployment)) {
		return berth.Errorf(berth.EInvalid, "%q names no deployment", deployment)
	}
	s.forget(deployment)
	for _, dir := range s.Pools() {
		if err := s.unbindTree(deployment); err != nil {
			return err
		}
		if err := s.discard(ctx, dir, deployment, string(deployment)); err != nil {
			return err
		}
	}
	return s.discard(ctx, s.dir, deployment, string(deployment))
}

// Pools are the directories of all pools.
func (s *Volumes) Pools() (dirs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range s.chosen.Pools {
		dirs = append(dirs, s.pool(kind).at)
	}
	return dirs
}

// Reset deletes one volume, as RemoveAll does. A volume that does not exist is no error.
func (s *Volumes) Reset(ctx context.Context, v berth.Volume) error {
	if err := validate(v); err != nil {
		return err
	}
	s.forget(v.Deployment)
	return s.discard(ctx, s.dir, v.Deployment, relative(v))
}

// discard moves what is at name in dir to the trash and empties the deployment's trash.
func (s *Volumes) discard(ctx context.Context, dir string, deployment berth.ID, name string) error {
	if err := s.throwAway(dir, deployment, name); err != nil {
		return err
	}
	return s.emptyAll(ctx, dir, deployment)
}

// throwAway moves what is at name in dir to the trash.
func (s *Volumes) throwAway(dir string, deployment berth.ID, name string) error {
	root, err := s.open(dir)
	if err != nil {
		return err
	}
	return errors.Join(s.moveToTrash(root, deployment, name, ownTrash(deployment)), root.Close())
}

// ownTrash is the trash within a deployment's tree.
func ownTrash(deployment berth.ID) string { return filepath.Join(string(deployment), trash) }

// emptyAll empties what a deployment has in the trashes of dir.
func (s *Volumes) emptyAll(ctx context.Context, dir string, deployment berth.ID) (err error) {
	root, err := s.open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, bin := range []string{trash, ownTrash(deployment)} {
		if err := emptyTrash(ctx, root, bin, deployment); err != nil {
			return fmt.Errorf("empty trash: %w", err)
		}
	}
	return nil
}

// moveToTrash moves what is at name: to the trash of all, or, where that is another file system, to the
// tree's own.
func (s *Volumes) moveToTrash(root *os.Root, deployment berth.ID, name, own string) error {
	for _, bin := range []string{trash, own} {
		if err := root.MkdirAll(bin, 0o700); err != nil {
			return s.explain("make trash", err)
		}
		switch err := root.Rename(name, filepath.Join(bin, trashName(deployment))); {
		case errors.Is(err, unix.EXDEV):
			continue
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("remove volume: %w", err)
		}
		if err := syncDirs(root, bin, filepath.Dir(name)); err != nil {
			return fmt.Errorf("remove volume: %w", err)
		}
		return nil
	}
	return fmt.Errorf("remove volume: %w", unix.EXDEV)
}

// trashName is a name in the trash that says whose it is: ids have no dash.
func trashName(deployment berth.ID) string { return string(deployment) + "-" + string(berth.NewID()) }

// emptyTrash deletes what is in the trash of a deployment. A trash that does not exist is empty.
func emptyTrash(ctx context.Context, root *os.Root, name string, deployment berth.ID) error {
	bin, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e := emptying{ctx: ctx, top: bin, deployment: deployment}
	return errors.Join(e.all(bin, string(deployment)+"-"), bin.Close())
}

// emptying deletes what is in a trash.
type emptying struct {
	ctx        context.Context
	top        *os.File // where what cannot be moved elsewhere can be
	deployment berth.ID
}

// all deletes every entry of bin whose name begins with prefix, also those that come meanwhile.
func (e *emptying) all(bin *os.File, prefix string) error {
	for {
		if _, err := bin.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := bin.Readdirnames(-1)
		if err != nil {
			return err
		}
		left := false
		for _, name := range names {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			left = true
			if err := e.remove(bin, name); err != nil {
				return err
			}
		}
		if !left {
			return nil
		}
	}
}

// remove deletes one entry of bin. The directories in it move up into bin to be deleted in their turn, so
// that a tree of any depth takes few descriptors and little stack.
func (e *emptying) remove(bin *os.File, name string) error {
	dir, err := openat(bin, name, unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil { // no directory, a link included
		return ignoreMissing(unix.Unlinkat(int(bin.Fd()), name, 0))
	}
	defer func() { _ = dir.Close() }()
	if whole, err := isSubvolume(dir, bin); err != nil || whole {
		return errors.Join(err, e.removeSubvolume(dir, bin, name))
	}
	for {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := dir.Readdirnames(512)
		if errors.Is(err, io.EOF) {
			return ignoreMissing(unix.Unlinkat(int(bin.Fd()), name, unix.AT_REMOVEDIR))
		}
		if err != nil {
			return err
		}
		for _, entry := range names {
			if err := e.dispose(dir, entry, bin); err != nil {
				return err
			}
		}
	}
}

// removeSubvolume deletes a subvolume at once. One that holds others, which a container may have made, is
// emptied: what is in it can move no further up than into itself, and the others only to the very top.
func (e *emptying) removeSubvolume(dir, bin *os.File, name string) error {
	id, err := subvolumeID(dir)
	if err != nil {
		return err
	}
	if destroySubvolume(bin, name) == nil {
		forgetGroup(bin, id)
		return nil
	}
	if bin != e.top {
		return ignoreMissing(unix.Renameat(int(bin.Fd()), name, int(e.top.Fd()), trashName(e.deployment)))
	}
	if err := e.all(dir, ""); err != nil {
		return err
	}
	return ignoreMissing(destroySubvolume(bin, name))
}

// dispose deletes one entry, or moves it up when it is a directory that is not empty.
func (e *emptying) dispose(dir *os.File, entry string, bin *os.File) error {
	err := unix.Unlinkat(int(dir.Fd()), entry, 0)
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return ignoreMissing(err)
	}
	if err := unix.Unlinkat(int(dir.Fd()), entry, unix.AT_REMOVEDIR); err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return ignoreMissing(unix.Renameat(int(dir.Fd()), entry, int(bin.Fd()), trashName(e.deployment)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
