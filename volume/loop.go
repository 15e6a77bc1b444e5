package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// loopBlock is the block size that direct I/O to any disk is content with.
const loopBlock = 4096

// attach returns the loop device of a file, which it makes one unless it is: a file never has two. The
// device goes by itself when nothing mounts it any more. release it once it is mounted.
func attach(file string) (device string, release func() error, err error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open pool: %w", err)
	}
	defer func() { _ = backing.Close() }()
	if device, open, found, err := attached(backing); err != nil || found {
		return device, open, err
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", nil, fmt.Errorf("open loop devices: %w", err)
	}
	defer func() { _ = control.Close() }()
	for range 20 { // somebody else may take the free one first
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", nil, fmt.Errorf("find free loop device: %w", err)
		}
		device := fmt.Sprintf("/dev/loop%d", number)
		loop, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			return "", nil, fmt.Errorf("open loop device: %w", err)
		}
		err = configure(loop, backing)
		if err == nil {
			return device, loop.Close, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return "", nil, fmt.Errorf("attach pool to loop device: %w", err)
		}
	}
	return "", nil, errors.New("attach pool to loop device: others took every free one")
}

// configure attaches with direct I/O where the disk below can do that.
func configure(loop, backing *os.File) error {
	var err error
	for _, flags := range []uint32{unix.LO_FLAGS_DIRECT_IO, 0} {
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Size: loopBlock}
		config.Info.Flags = flags | unix.LO_FLAGS_AUTOCLEAR
		if err = unix.IoctlLoopConfigure(int(loop.Fd()), &config); !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return err
}

// attached finds the loop device that has a file already, perhaps of a server that was killed.
func attached(backing *os.File) (device string, release func() error, found bool, err error) {
	var want unix.Stat_t
	if err := unix.Fstat(int(backing.Fd()), &want); err != nil {
		return "", nil, false, fmt.Errorf("look at pool: %w", err)
	}
	busy, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return "", nil, false, fmt.Errorf("list loop devices: %w", err)
	}
	for _, name := range busy {
		device := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(name)))
		loop, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			continue // not ours to open
		}
		info, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
		if err == nil && info.Inode == want.Ino && info.Device == want.Dev {
			return device, loop.Close, true, nil
		}
		_ = loop.Close()
	}
	return "", nil, false, nil
}
