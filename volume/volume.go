// Package volume keeps the storage of deployments: one tree per deployment, so that one instant can cover
// it, with one directory per volume. A tree is a directory, or lies in a pool: a file with a file system of
// its own that can copy without copying. What lies inside a volume was written by
// containers and is treated as hostile: no link in it is ever followed.
//
// It must not know engines, the store or what a volume is used for.
package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

const (
	// shared is the directory of the volumes that belong to no element. No element can be named so.
	shared = "_"
	// trash is where trees go that are being deleted. No deployment can be named so.
	trash = ".trash"
)

// Volumes is the directory that holds every deployment's tree. It is safe for concurrent use.
type Volumes struct {
	dir  string // where every tree is found
	data string // where pools are; empty: there are none

	chosen  chosen // guarded by mu, as are the following
	usage   map[berth.ID]usage
	limits  map[berth.ID]int64 // as they were last set
	mu      sync.Mutex
	measure chan struct{} // holds the one token that allows a walk
	stores  sync.Mutex    // held by who makes a pool, or deletes one
}

// New returns the volumes below dir, which need not exist yet: directories.
func New(dir string) *Volumes {
	v := &Volumes{dir: dir, chosen: chosen{Kind: berth.StorageDirectories}, usage: map[berth.ID]usage{},
		limits: map[berth.ID]int64{}, measure: make(chan struct{}, 1)}
	v.measure <- struct{}{}
	return v
}

// Path returns where a volume is or will be.
func (s *Volumes) Path(v berth.Volume) string {
	return filepath.Join(s.dir, relative(v))
}

// relative is Path without the root. A volume without an element belongs to all of them.
func relative(v berth.Volume) string {
	element := v.Element
	if element == "" {
		element = shared
	}
	return filepath.Join(string(v.Deployment), element, v.Identifier)
}

var partPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

// validate refuses a volume whose names are not plain names of directories.
func validate(v berth.Volume) error {
	if v.Deployment == "" || v.Identifier == "" {
		return berth.Errorf(berth.EInvalid, "a volume needs a deployment and an identifier")
	}
	for _, part := range []string{string(v.Deployment), v.Element, v.Identifier} {
		if part != "" && !partPattern.MatchString(part) {
			return berth.Errorf(berth.EInvalid, "%q cannot be part of a volume's name: use letters, digits, dots, dashes and underscores, and start with a letter or digit", part)
		}
	}
	return nil
}

// Ensure makes a volume unless it exists, and returns its path. Owner and mode are set before the
// volume appears under its name, and never again: a volume is there whole or not at all. With an
// owner of -1 everybody inside may write, as any image's user has to.
func (s *Volumes) Ensure(ctx context.Context, v berth.Volume) (path string, created bool, err error) {
	if err := errors.Join(validate(v), ctx.Err()); err != nil {
		return "", false, err
	}
	root, err := s.open(s.dir)
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	exists, err := isDirectory(root, relative(v))
	if err != nil || exists {
		return s.Path(v), false, err
	}
	if err := s.ensureTree(v.Deployment); err != nil {
		return "", false, err
	}
	if exists, err := isDirectory(root, relative(v)); err != nil || exists { // in the tree that has appeared
		return s.Path(v), false, err
	}
	if err := create(root, v); err != nil {
		return "", false, s.explain("create volume", err)
	}
	return s.Path(v), true, nil
}

func (s *Volumes) open(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, s.explain("open volumes", err)
	}
	root, err := os.OpenRoot(dir)
	return root, s.explain("open volumes", err)
}

// isDirectory reports whether name exists; anything but a directory there is an error.
func isDirectory(root *os.Root, name string) (bool, error) {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up volume: %w", err)
	case !info.IsDir():
		return false, fmt.Errorf("look up volume: %s is not a directory", filepath.Join(root.Name(), name))
	}
	return true, nil
}

// create prepares the volume beside its place and renames it there.
func create(root *os.Root, v berth.Volume) error {
	name := relative(v)
	parent := filepath.Dir(name)
	if err := root.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	draft := filepath.Join(string(v.Deployment), ".new-"+string(berth.NewID()))
	if err := root.Mkdir(draft, 0o700); err != nil {
		return err
	}
	err := prepare(root, draft, v)
	if err == nil {
		err = root.Rename(draft, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(draft))
	}
	return syncDirs(root, name, parent, string(v.Deployment), ".")
}

func prepare(root *os.Root, draft string, v berth.Volume) error {
	mode := fs.FileMode(0o755)
	if v.UID < 0 || v.GID < 0 {
		mode = 0o777
	}
	if err := root.Chown(draft, v.UID, v.GID); err != nil { // -1 leaves the owner
		return err
	}
	return root.Chmod(draft, mode)
}

func syncDirs(root *os.Root, names ...string) error {
	for _, name := range names {
		dir, err := root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Free returns how many bytes the disk below has left for volumes.
func (s *Volumes) Free() (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(s.dir, &stat); err != nil {
		return 0, fmt.Errorf("measure disk: %w", err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// explain turns a full disk into a sentence.
func (s *Volumes) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		full := berth.Errorf(berth.EUnavailable, "the disk that holds %s is full: free some space there, then try again", s.dir)
		full.Err = err
		return full
	}
	return fmt.Errorf("%s: %w", doing, err)
}
