package install

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sizeOf is what a file or a tree takes of the disk. What cannot be read counts nothing.
func sizeOf(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += s.Blocks * 512
		}
		return nil
	})
	return bytes
}

// unmountBelow unmounts what is mounted below a directory, deepest first, and lets go of the loop devices whose
// files lie in it.
func unmountBelow(dir string) error {
	dir = realPath(dir) // as the kernel writes it
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, at := range mountsBelow(string(text), dir) {
		if err := unmount(at); err != nil {
			return fmt.Errorf("unmount %s: %w", at, err)
		}
	}
	return nil
}

// mountsBelow reads mountinfo: the fifth field is where something is mounted, with octal escapes.
func mountsBelow(mountinfo, dir string) (list []string) {
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if at := unescape(fields[4]); strings.HasPrefix(at, dir+"/") {
			list = append(list, at)
		}
	}
	slices.Reverse(list) // what was mounted last goes first
	return list
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unmount unmounts a place, and lets go of the loop device that was mounted there.
func unmount(at string) error {
	device := deviceOf(at)
	if err := unix.Unmount(at, 0); err != nil {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			return err
		}
	}
	if device == "" {
		return nil
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return nil // the kernel has let go of it by itself
	}
	defer func() { _ = f.Close() }()
	_ = unix.IoctlSetInt(int(f.Fd()), unix.LOOP_CLR_FD, 0) // one that is free already is no error
	return nil
}

// deviceOf is the loop device that is mounted at a place, if it is one.
func deviceOf(at string) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		before, after, found := strings.Cut(line, " - ")
		fields, source := strings.Fields(before), strings.Fields(after)
		if found && len(fields) > 4 && unescape(fields[4]) == at && len(source) > 1 && strings.HasPrefix(source[1], "/dev/loop") {
			return source[1]
		}
	}
	return ""
}
