package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/disk"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/volume"
	"golang.org/x/sys/unix"
)

// disks are those that Berth fills: the data directory's, the volumes' and the engine's.
type disks struct {
	paths   []string
	pools   func() []string
	reserve reserve
}

func (d *Daemon) openDisks(ctx context.Context) error {
	d.disks = disks{paths: []string{d.dirs.data}, pools: d.volumes.Pools, reserve: reserve{filepath.Join(d.dirs.data, "reserve")}}
	root, err := d.engine.Root(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(root); err == nil { // an engine may live in another file system
		d.disks.paths = append(d.disks.paths, root)
	}
	return nil
}

// measure returns each disk once. It sees to the database's reserve on the way: the first disk is its.
func (d disks) measure() (list []disk.Space, err error) {
	seen := map[uint64]bool{}
	for _, path := range slices.Concat(d.paths, d.pools()) {
		device, space, err := spaceAt(path)
		if err != nil {
			return nil, err
		}
		if seen[device] {
			continue
		}
		seen[device] = true
		list = append(list, space)
	}
	return list, d.reserve.keep(list[0])
}

// spaceAt measures the disk that a path is on.
func spaceAt(path string) (device uint64, space disk.Space, err error) {
	var stat unix.Stat_t
	var blocks unix.Statfs_t
	if err := errors.Join(unix.Stat(path, &stat), unix.Statfs(path, &blocks)); err != nil {
		return 0, disk.Space{}, fmt.Errorf("look at %s: %w", path, err)
	}
	return stat.Dev, disk.Space{Path: path, Free: int64(blocks.Bavail) * blocks.Bsize, Total: int64(blocks.Blocks) * blocks.Bsize}, nil
}

// room says why nothing new may begin; nil when there is room for it.
func (d disks) room() error {
	list, err := d.measure()
	if err != nil {
		return err
	}
	return disk.Room(list)
}

// reserve is a file that takes up room on the database's disk for as long as there is enough of it. When
// there is not, it goes, and what people and loops have to write down still finds a place.
type reserve struct{ path string }

// reserved is its size; on a small disk it is a fiftieth of that.
const reserved = 64 << 20

func (r reserve) keep(space disk.Space) error {
	switch {
	case space.Scarce():
		if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("use reserve: %w", err)
		}
	case space.Ample():
		return r.fill(min(reserved, space.Total/50))
	}
	return nil
}

// fill makes the file unless it is there. A file system that cannot set blocks aside has no reserve.
func (r reserve) fill(size int64) error {
	if _, err := os.Stat(r.path); err == nil {
		return nil
	}
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep reserve: %w", err)
	}
	err = unix.Fallocate(int(file.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSPC) {
		err = nil
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keep reserve: %w", err)
	}
	return nil
}

// newDiskLoop is the loop that watches them.
func (d *Daemon) newDiskLoop() *disk.Loop {
	return disk.New(disk.Config{
		Store:   storeFor[disk.Tx]{d.store, func(tx *sqlite.Tx) disk.Tx { return tx }},
		Volumes: d.volumes, Disks: d.disks.measure, Layers: d.engine.Layers, MeasureLayer: volume.MeasureDirectory,
		Halt:    d.engine.Halt,
		Changed: func(id berth.ID) { d.loops.deployments.Hint(id) },
		Now:     time.Now, Log: d.log,
	})
}

// storageOf says what deployments have to be told of an element's volumes.
func (d *Daemon) storageOf(l *disk.Loop) func(berth.ID, string) (string, bool) {
	return func(id berth.ID, element string) (why string, stop bool) {
		if why := d.moves.Moving(id); why != "" {
			return why, true
		}
		found, _ := l.Findings(id).Of(element)
		return found.Message, found.Stop
	}
}
