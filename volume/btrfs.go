package volume

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// The calls of linux/btrfs.h, which the standard packages do not have.
const (
	subvolumeCreate  = 0x5000940e // _IOW(0x94, 14, 4096)
	subvolumeDestroy = 0x5000940f // _IOW(0x94, 15, 4096)
	subvolumeLookup  = 0xd0009412 // _IOWR(0x94, 18, 4096)
	snapshotCreate   = 0x50009417 // _IOW(0x94, 23, 4096)
	quotaControl     = 0xc0109428 // _IOWR(0x94, 40, 16)
	groupAssign      = 0x40189429 // _IOW(0x94, 41, 24)
	groupCreate      = 0x4010942a // _IOW(0x94, 42, 16)
	groupLimit       = 0x8030942b // _IOR(0x94, 43, 48)

	quotaFull, quotaSimple = 1, 4
	limitReferenced        = 1 // BTRFS_QGROUP_LIMIT_MAX_RFER
	// subvolumeRoot is the inode number that the root of every subvolume has, and no other directory.
	subvolumeRoot = 256
)

// volArgs is struct btrfs_ioctl_vol_args.
type volArgs struct {
	fd   int64
	name [4088]byte
}

// volArgs2 is struct btrfs_ioctl_vol_args_v2.
type volArgs2 struct {
	fd      int64
	transid uint64
	flags   uint64
	unused  [4]uint64
	name    [4040]byte
}

// lookupArgs is struct btrfs_ioctl_ino_lookup_args.
type lookupArgs struct {
	tree, object uint64
	name         [4080]byte
}

func ioctl(fd uintptr, request uint32, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// named is a call on an entry of a directory.
func namedCall(dir *os.File, request uint32, name string) error {
	var args volArgs
	if len(name) >= len(args.name) {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	return ioctl(dir.Fd(), request, unsafe.Pointer(&args))
}

// createSubvolume makes an empty one in dir.
func createSubvolume(dir *os.File, name string) error { return namedCall(dir, subvolumeCreate, name) }

// destroySubvolume deletes one at once, with all that it holds; one that holds others stays, and is ENOTEMPTY.
func destroySubvolume(dir *os.File, name string) error { return namedCall(dir, subvolumeDestroy, name) }

// snapshot makes name in dir a copy of a whole subvolume, at one instant.
func snapshot(of, dir *os.File, name string) error {
	args := volArgs2{fd: int64(of.Fd())}
	copy(args.name[:], name)
	return ioctl(dir.Fd(), snapshotCreate, unsafe.Pointer(&args))
}

// isSubvolume reports whether dir, an entry of parent, is the root of a subvolume.
func isSubvolume(dir, parent *os.File) (bool, error) {
	var own, above unix.Stat_t
	if err := errors.Join(unix.Fstat(int(dir.Fd()), &own), unix.Fstat(int(parent.Fd()), &above)); err != nil {
		return false, err
	}
	return own.Ino == subvolumeRoot && own.Dev != above.Dev, nil
}

// enableQuotas switches on the kind that knows what a container makes within a subvolume, from Linux 6.7 on,
// else the older one.
func enableQuotas(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer func() { _ = dir.Close() }()
	for _, kind := range []uint64{quotaSimple, quotaFull} {
		args := [2]uint64{kind}
		if err = ioctl(dir.Fd(), quotaControl, unsafe.Pointer(&args)); err == nil || errors.Is(err, unix.EEXIST) {
			return nil
		}
	}
	return fmt.Errorf("enable quotas: %w", err)
}

// limitSubvolume bounds what a subvolume, and what is made within it, may hold. The calls are made on the
// top: in a subvolume that is full they would be refused themselves.
func limitSubvolume(top *os.File, name string, bytes int64) error {
	dir, err := openat(top, name, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	id, err := subvolumeID(dir)
	if err := errors.Join(err, dir.Close()); err != nil {
		return err
	}
	group := groupOf(id)
	create := [2]uint64{1, group}
	if err := ioctl(top.Fd(), groupCreate, unsafe.Pointer(&create)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("create quota group: %w", err)
	}
	assign := [3]uint64{1, id, group}
	if err := ioctl(top.Fd(), groupAssign, unsafe.Pointer(&assign)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("assign quota group: %w", err)
	}
	limit := [6]uint64{group, limitReferenced, uint64(bytes)}
	if err := ioctl(top.Fd(), groupLimit, unsafe.Pointer(&limit)); err != nil {
		return fmt.Errorf("set quota: %w", err)
	}
	return nil
}

// forgetGroup removes a subvolume's quota group. What is not removed harms nothing.
func forgetGroup(top *os.File, id uint64) {
	assign := [3]uint64{0, id, groupOf(id)}
	_ = ioctl(top.Fd(), groupAssign, unsafe.Pointer(&assign))
	destroy := [2]uint64{0, groupOf(id)}
	_ = ioctl(top.Fd(), groupCreate, unsafe.Pointer(&destroy))
}

// groupOf is the quota group that a subvolume of ours has beside its own: level 1, same number.
func groupOf(subvolume uint64) uint64 { return 1<<48 | subvolume }

// subvolumeID returns the number of the subvolume that dir lies in.
func subvolumeID(dir *os.File) (uint64, error) {
	args := lookupArgs{object: subvolumeRoot}
	if err := ioctl(dir.Fd(), subvolumeLookup, unsafe.Pointer(&args)); err != nil {
		return 0, fmt.Errorf("look up subvolume: %w", err)
	}
	return args.tree, nil
}

// hardLimits reports whether a kind of store refuses what goes beyond a limit.
func hardLimits(k berth.StorageKind) bool { return k == berth.StorageBtrfs }
