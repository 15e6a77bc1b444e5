package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// copying copies what containers wrote, links as links, from one tree to another. Nobody may write to
// either meanwhile. It runs no program and follows nothing.
type copying struct {
	ctx   context.Context
	clone bool                 // let files share their blocks, where the file system can
	top   *os.File             // of the copy
	first map[[2]uint64]string // of files with several names, the first one copied, below top
}

// copyTree copies what is in from into to, which is empty, and what to itself is.
func copyTree(ctx context.Context, from, to *os.File, clone bool) error {
	c := copying{ctx: ctx, clone: clone, top: to, first: map[[2]uint64]string{}}
	return c.directory(from, to, ".")
}

// deepest is how many directories may lie in each other of what is copied. Each level holds descriptors and its
// path; what has a longer path than any program can name was made to hurt.
const deepest = 1000

var errTooDeep = berth.Errorf(berth.EUnsupported, "more than %d directories lie in each other: delete the innermost", deepest)

func (c *copying) directory(from, to *os.File, rel string) error {
	if strings.Count(rel, "/") >= deepest {
		return errTooDeep
	}
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		names, err := from.Readdirnames(512)
		if errors.Is(err, io.EOF) {
			return likeOpen(from, to)
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := c.entry(from, to, name, filepath.Join(rel, name)); err != nil {
				return fmt.Errorf("copy %q: %w", name, err)
			}
		}
	}
}

func (c *copying) entry(from, to *os.File, name, rel string) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(from.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	key := [2]uint64{stat.Dev, stat.Ino}
	if first, seen := c.first[key]; seen {
		if err := unix.Linkat(int(c.top.Fd()), first, int(to.Fd()), name, 0); err == nil {
			return nil
		}
	}
	if stat.Nlink > 1 && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		c.first[key] = rel
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.subdirectory(from, to, name, rel)
	case unix.S_IFREG:
		return c.file(from, to, name)
	case unix.S_IFLNK:
		target, err := readlink(from, name)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(target, int(to.Fd()), name); err != nil {
			return err
		}
		return likeStat(to, name, stat)
	}
	if err := unix.Mknodat(int(to.Fd()), name, stat.Mode, int(stat.Rdev)); err != nil {
		return err
	}
	return errors.Join(unix.Fchmodat(int(to.Fd()), name, stat.Mode&0o7777, 0), likeStat(to, name, stat))
}

func (c *copying) subdirectory(from, to *os.File, name, rel string) error {
	source, err := openat(from, name, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if err := unix.Mkdirat(int(to.Fd()), name, 0o700); err != nil {
		return err
	}
	target, err := openat(to, name, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	return errors.Join(c.directory(source, target, rel), target.Close())
}

func (c *copying) file(from, to *os.File, name string) error {
	source, err := openat(from, name, unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	fd, err := unix.Openat(int(to.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(fd), name)
	return errors.Join(c.content(source, target), target.Close())
}

// piece is how much of a file is copied before somebody who has lost patience is heard.
const piece = 64 << 20

func (c *copying) content(source, target *os.File) error {
	if !c.clone || unix.IoctlFileClone(int(target.Fd()), int(source.Fd())) != nil {
		if err := c.data(source, target); err != nil {
			return err
		}
	}
	return likeOpen(source, target)
}

// data copies what a file holds and leaves its holes out.
func (c *copying) data(source, target *os.File) error {
	info, err := source.Stat()
	if err != nil {
		return err
	}
	for at := int64(0); at < info.Size(); {
		data, err := source.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		hole, err := source.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		at = min(hole, data+piece)
		if _, err := io.Copy(io.NewOffsetWriter(target, data), io.NewSectionReader(source, data, at-data)); err != nil {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	return target.Truncate(info.Size())
}

// likeOpen gives to an open file or directory the owner, attributes, mode and times of another.
func likeOpen(from, to *os.File) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &stat); err != nil {
		return err
	}
	if err := unix.Fchown(int(to.Fd()), int(stat.Uid), int(stat.Gid)); err != nil {
		return err
	}
	if err := copyAttributes(from, to); err != nil {
		return err
	}
	if err := unix.Fchmod(int(to.Fd()), stat.Mode&0o7777); err != nil {
		return err
	}
	return unix.Futimes(int(to.Fd()), []unix.Timeval{timeval(stat.Atim), timeval(stat.Mtim)})
}

func timeval(t unix.Timespec) unix.Timeval { return unix.NsecToTimeval(t.Nano()) }

// likeStat is likeOpen for what cannot be opened. Modes of links do not count.
func likeStat(dir *os.File, name string, stat unix.Stat_t) error {
	if err := unix.Fchownat(int(dir.Fd()), name, int(stat.Uid), int(stat.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{stat.Atim, stat.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// carried are the extended attributes that belong to the data. Others are the machine's.
var carried = []string{"user.", "security.capability", "system.posix_acl_"}

func copyAttributes(from, to *os.File) error {
	list := make([]byte, 64<<10)
	n, err := unix.Flistxattr(int(from.Fd()), list)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if !slices.ContainsFunc(carried, func(c string) bool { return strings.HasPrefix(name, c) }) {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(int(from.Fd()), name, value)
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}

func readlink(dir *os.File, name string) (string, error) {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), name, target)
	if err != nil {
		return "", &fs.PathError{Op: "readlinkat", Path: name, Err: err}
	}
	return string(target[:n]), nil
}
