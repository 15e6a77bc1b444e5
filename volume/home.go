package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth"
)

// home is the kind of store that has a deployment's tree, and the directory that it is in. Every tree is
// found below Volumes.dir: it is there, or bound there from its pool.
func (s *Volumes) home(deployment berth.ID) (kind berth.StorageKind, dir string, exists bool, err error) {
	s.mu.Lock()
	c := s.chosen
	s.mu.Unlock()
	for _, kind := range c.Pools {
		at := s.pool(kind).at
		if found, err := isTree(at, deployment); err != nil || found {
			return kind, at, found, err
		}
	}
	if found, err := isTree(s.dir, deployment); err != nil || found {
		return berth.StorageDirectories, s.dir, found, err
	}
	return c.Kind, s.homeOf(c.Kind), false, nil
}

// homeOf is the directory that has the trees of a kind of store.
func (s *Volumes) homeOf(kind berth.StorageKind) string {
	if kind == berth.StorageDirectories {
		return s.dir
	}
	return s.pool(kind).at
}

func isTree(dir string, deployment berth.ID) (bool, error) {
	info, err := os.Lstat(filepath.Join(dir, string(deployment)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up tree: %w", err)
	}
	return info.IsDir(), nil
}

// ensureTree makes a deployment's tree in the store that is for new ones, unless it is anywhere.
func (s *Volumes) ensureTree(deployment berth.ID) error {
	kind, dir, exists, err := s.home(deployment)
	if err != nil || exists && kind == berth.StorageDirectories {
		return err
	}
	if !exists {
		if found, err := s.finishMove(deployment); err != nil || found {
			return err
		}
		if err := makeTree(kind, dir, string(deployment)); err != nil {
			return s.explain("make tree", err)
		}
	}
	if kind == berth.StorageDirectories {
		return nil
	}
	return s.bindTree(dir, deployment)
}

// makeTree makes an empty one: a subvolume where there are such.
func makeTree(kind berth.StorageKind, dir, name string) error {
	if kind != berth.StorageBtrfs {
		return os.MkdirAll(filepath.Join(dir, name), 0o700)
	}
	top, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = createSubvolume(top, name)
	if err == nil {
		err = os.Chmod(filepath.Join(dir, name), 0o700)
	}
	return errors.Join(err, top.Close())
}

// bindTree makes a pool's tree appear where trees are looked for.
func (s *Volumes) bindTree(home string, deployment berth.ID) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s.explain("open volumes", err)
	}
	return bind(filepath.Join(home, string(deployment)), filepath.Join(s.dir, string(deployment)))
}

// unbindTree undoes it.
func (s *Volumes) unbindTree(deployment berth.ID) error {
	return unbind(filepath.Join(s.dir, string(deployment)))
}
