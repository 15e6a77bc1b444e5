package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountedAt returns what is mounted on top at a path.
func mountedAt(path string) (source string, mounted bool, err error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", false, fmt.Errorf("list mounts: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false, fmt.Errorf("look at %s: %w", path, err)
	}
	for line := range strings.Lines(string(table)) {
		// id parent major:minor root mount-point options [optional…] - type source superoptions
		before, after, ok := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if ok && len(fields) > 4 && len(rest) > 1 && unescape(fields[4]) == real {
			source, mounted = unescape(rest[1]), true
		}
	}
	return source, mounted, nil
}

// unescape reads a path as mountinfo writes it: \040 is a space.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// same reports whether two paths lead to one directory.
func same(a, b string) (bool, error) {
	var x, y unix.Stat_t
	if err := errors.Join(unix.Lstat(a, &x), unix.Lstat(b, &y)); err != nil {
		return false, err
	}
	return x.Dev == y.Dev && x.Ino == y.Ino, nil
}

// bind makes a directory appear at another place too.
func bind(what, at string) error {
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make place of tree: %w", err)
	}
	if done, err := same(what, at); err != nil || done {
		return err
	}
	if err := unix.Mount(what, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind tree: %w", err)
	}
	return nil
}

// unbind takes away all that is bound at a place of ours, and the place. Containers that use it keep it.
func unbind(at string) error {
	for {
		err := unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		switch {
		case err == nil:
			continue
		case errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EINVAL):
			return fmt.Errorf("unbind tree: %w", err)
		}
		if err := unix.Rmdir(at); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTEMPTY) {
			return fmt.Errorf("remove place of tree: %w", err)
		}
		return nil
	}
}
