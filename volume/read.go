package volume

import (
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

// ReadFile returns a regular file of at most max bytes inside a volume. It follows no link, neither
// at the end of rel nor in between, and waits for no pipe. A missing file is fs.ErrNotExist.
func (s *Volumes) ReadFile(deployment berth.ID, v berth.Volume, rel string, max int64) (data []byte, err error) {
	v.Deployment = deployment
	if err := validate(v); err != nil {
		return nil, err
	}
	if !filepath.IsLocal(rel) {
		return nil, berth.Errorf(berth.EInvalid, "%q does not lie inside the volume", rel)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fmt.Errorf("open volumes: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	dir, err := root.Open(relative(v))
	if err != nil {
		return nil, fmt.Errorf("open volume: %w", err)
	}
	file, err := openBelow(dir, rel)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, berth.Errorf(berth.EInvalid, "%s is a link, or lies behind one: Berth reads regular files only", rel)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", rel, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return readRegular(file, rel, max)
}

// openBelow opens rel below dir, which it closes, one name at a time: the kernel refuses each link.
// (os.Root would follow those that stay inside.)
func openBelow(dir *os.File, rel string) (*os.File, error) {
	parts := strings.Split(filepath.Clean(rel), string(filepath.Separator))
	for i, part := range parts {
		flags := unix.O_DIRECTORY
		if i == len(parts)-1 {
			flags = unix.O_NONBLOCK // a pipe would keep us waiting
		}
		next, err := openat(dir, part, flags)
		if err := errors.Join(err, dir.Close()); err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// openat opens name in dir unless it is a link.
func openat(dir *os.File, name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

func readRegular(file *os.File, rel string, max int64) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", rel, err)
	}
	if !info.Mode().IsRegular() {
		return nil, berth.Errorf(berth.EInvalid, "%s is not a regular file", rel)
	}
	data, err := io.ReadAll(io.LimitReader(file, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", rel, err)
	}
	if int64(len(data)) > max {
		return nil, berth.Errorf(berth.EInvalid, "%s is larger than %d bytes, the most that Berth reads", rel, max)
	}
	return data, nil
}
