package volume

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// digest sums up everything of a tree that a copy has to have too: names, kinds, owners, modes, times of
// files, links and content.
func digest(ctx context.Context, dir *os.File) ([sha256.Size]byte, error) {
	sum := sha256.New()
	err := digestInto(ctx, sum, dir, 0)
	return [sha256.Size]byte(sum.Sum(nil)), err
}

func digestInto(ctx context.Context, sum hash.Hash, dir *os.File, level int) error {
	if level > deepest {
		return errTooDeep
	}
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	fmt.Fprintf(sum, "%d entries\n", len(names))
	for _, name := range names {
		if err := errors.Join(ctx.Err(), digestEntry(ctx, sum, dir, name, level)); err != nil {
			return err
		}
	}
	return nil
}

func digestEntry(ctx context.Context, sum hash.Hash, dir *os.File, name string, level int) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	fmt.Fprintf(sum, "%q %o %d %d %d\n", name, stat.Mode, stat.Uid, stat.Gid, stat.Rdev)
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		below, err := openat(dir, name, unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		return errors.Join(digestInto(ctx, sum, below, level+1), below.Close())
	case unix.S_IFREG:
		fmt.Fprintf(sum, "%d bytes of %d\n", stat.Size, stat.Mtim.Sec)
		file, err := openat(dir, name, unix.O_NONBLOCK)
		if err != nil {
			return err
		}
		return errors.Join(digestData(ctx, sum, file), file.Close())
	case unix.S_IFLNK:
		target, err := readlink(dir, name)
		fmt.Fprintf(sum, "to %q\n", target)
		return err
	}
	return nil
}

// digestData sums up a file's content without reading its holes, which may be larger than any disk. What is zero
// counts nothing: one file system has a hole where another has zeros.
func digestData(ctx context.Context, sum hash.Hash, file *os.File) error {
	const block = 4 << 10
	read, zeros := make([]byte, 64*block), make([]byte, block)
	for at := int64(0); ; {
		data, err := file.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		at = max(at, data/block*block)
		n, err := file.ReadAt(read, at)
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return err
		}
		for offset := 0; offset < n; offset += block {
			if one := read[offset:min(n, offset+block)]; !bytes.Equal(one, zeros[:len(one)]) {
				fmt.Fprintf(sum, "at %d\n", at+int64(offset))
				sum.Write(one)
			}
		}
		at += int64(len(read))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
