package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// An editor's save and a switch of branches are many events: they count as one when it has been quiet.
	quiet  = 100 * time.Millisecond
	atMost = 2 * time.Second

	changeEvents = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
)

// changes tells which files change below a directory.
type changes struct {
	events *os.File
	dirs   map[int32]string // by inotify's number
}

func watchTree(root string) (*changes, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if errors.Is(err, unix.EMFILE) {
		return nil, fmt.Errorf("the machine's fs.inotify.max_user_instances is used up: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	c := &changes{events: os.NewFile(uintptr(fd), "inotify"), dirs: map[int32]string{}}
	if err := c.add(root); err != nil {
		_ = c.close()
		return nil, err
	}
	return c, nil
}

func (c *changes) close() error { return c.events.Close() }

// add watches a directory and those below it.
func (c *changes) add(root string) error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != root:
			return nil // gone since it was listed
		case errors.Is(err, fs.ErrPermission) && name != root:
			return nil
		case err != nil:
			return fmt.Errorf("watch %s: %w", name, err)
		case !entry.IsDir():
			return nil
		case name != root && ignoredDir(entry.Name()):
			return fs.SkipDir
		}
		return c.addOne(name)
	})
}

func (c *changes) addOne(dir string) error {
	wd, err := unix.InotifyAddWatch(int(c.events.Fd()), dir, changeEvents|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
	switch {
	case errors.Is(err, unix.ENOSPC):
		log.Printf("files in %s and further directories are not watched: the machine's fs.inotify.max_user_watches is used up", dir)
		return fs.SkipAll
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EACCES) && len(c.dirs) > 0:
		return nil
	case err != nil:
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	c.dirs[int32(wd)] = dir
	return nil
}

// next waits for a file to change, and until nothing more changes. It returns the last file that did: what
// editors write first are files of their own.
func (c *changes) next() (name string, err error) {
	if err := c.events.SetReadDeadline(time.Time{}); err != nil {
		return "", fmt.Errorf("watch files: %w", err)
	}
	for name == "" {
		if name, err = c.read(); err != nil {
			return "", err
		}
	}
	for end := time.Now().Add(atMost); time.Now().Before(end); {
		if err := c.events.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			return "", fmt.Errorf("watch files: %w", err)
		}
		last, err := c.read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return "", err
		}
		name = cmp.Or(last, name)
	}
	return name, nil
}

// read takes what inotify has to tell and returns the last file of it that counts.
func (c *changes) read() (name string, err error) {
	var buffer [16 << 10]byte
	n, err := c.events.Read(buffer[:])
	if err != nil {
		return "", fmt.Errorf("watch files: %w", err)
	}
	for rest := buffer[:n]; len(rest) >= unix.SizeofInotifyEvent; {
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
		changed, err := c.event(int32(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint32(rest[4:]),
			strings.TrimRight(string(rest[unix.SizeofInotifyEvent:size]), "\x00"))
		if err != nil {
			return "", err
		}
		name, rest = cmp.Or(changed, name), rest[size:]
	}
	return name, nil
}

// event returns the file that an event is about, if it counts, and follows into new directories.
func (c *changes) event(wd int32, mask uint32, name string) (changed string, err error) {
	dir, known := c.dirs[wd]
	full := filepath.Join(dir, name)
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		return "too many files", nil
	case mask&unix.IN_IGNORED != 0:
		delete(c.dirs, wd)
		return "", nil
	case !known:
		return "", nil
	case mask&unix.IN_ISDIR == 0:
		if ignoredFile(name) {
			return "", nil
		}
		return full, nil
	case ignoredDir(name):
		return "", nil
	case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
		err = c.add(full)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return full, err
}

// ignoredDir names directories that tools fill: no program is written in them.
func ignoredDir(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "__pycache__", "venv", "tmp", "log", "logs"}, name)
}

// ignoredFile names files that programs write while they run, and editors while somebody types.
func ignoredFile(name string) bool {
	if strings.HasPrefix(name, ".") {
		return !strings.HasPrefix(name, ".env")
	}
	ending := strings.ToLower(filepath.Ext(name))
	return strings.HasSuffix(name, "~") || name == "4913" || // vim tries whether it may write
		strings.HasPrefix(ending, ".sqlite") || strings.HasPrefix(ending, ".db") ||
		slices.Contains([]string{".pyc", ".log", ".pid", ".sock", ".tmp", ".swp"}, ending)
}
