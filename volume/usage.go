package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

const (
	// fresh is how long a measurement is good enough at least.
	fresh = 30 * time.Second
	// share bounds what measuring may cost: a walk that took a second is good for this many.
	share = 50
	// depth is how deep a walk goes; what lies deeper is not counted. Each level holds a descriptor.
	depth = 200
)

// usage is one measurement of a deployment.
type usage struct {
	bytes map[string]int64
	until time.Time
}

// Usage returns the bytes on disk of each of a deployment's volumes, by "element/identifier" (for a
// volume of no element "/identifier"). Measurements are kept for a while, longer the longer they
// took, and one walk runs at a time; a caller who cannot wait passes a ctx that ends.
func (s *Volumes) Usage(ctx context.Context, deployment berth.ID) (map[string]int64, error) {
	if known, ok := s.known(deployment); ok {
		return known, nil
	}
	select {
	case <-s.measure:
		defer func() { s.measure <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if known, ok := s.known(deployment); ok { // measured while we waited
		return known, nil
	}
	return s.walkTree(ctx, deployment)
}

// Measure is Usage that never relies on an earlier measurement. How often that may be is the caller's to know.
func (s *Volumes) Measure(ctx context.Context, deployment berth.ID) (map[string]int64, error) {
	select {
	case <-s.measure:
		defer func() { s.measure <- struct{}{} }()
		return s.walkTree(ctx, deployment)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Volumes) walkTree(ctx context.Context, deployment berth.ID) (map[string]int64, error) {
	start := time.Now()
	bytes, err := s.measureTree(ctx, deployment)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage[deployment] = usage{bytes: bytes, until: time.Now().Add(max(fresh, share*time.Since(start)))}
	return bytes, nil
}

func (s *Volumes) known(deployment berth.ID) (map[string]int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.usage[deployment]
	return u.bytes, ok && time.Now().Before(u.until)
}

// forget drops the measurement of a tree that changed by our own hand.
func (s *Volumes) forget(deployment berth.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.usage, deployment)
	delete(s.limits, deployment)
}

func (s *Volumes) measureTree(ctx context.Context, deployment berth.ID) (map[string]int64, error) {
	bytes := map[string]int64{}
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return bytes, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open volumes: %w", err)
	}
	defer func() { _ = root.Close() }()
	elements, err := fs.ReadDir(root.FS(), string(deployment))
	if errors.Is(err, fs.ErrNotExist) {
		return bytes, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	for _, element := range elements {
		if element.Name()[0] == '.' { // a draft of Ensure's
			continue
		}
		volumes, err := fs.ReadDir(root.FS(), string(deployment)+"/"+element.Name())
		if err != nil {
			return nil, fmt.Errorf("list volumes: %w", err)
		}
		for _, volume := range volumes {
			dir, err := root.Open(string(deployment) + "/" + element.Name() + "/" + volume.Name())
			if err != nil {
				return nil, fmt.Errorf("open volume: %w", err)
			}
			w := walk{ctx: ctx, linked: map[[2]uint64]bool{}}
			if err := w.directory(dir, 0); err != nil {
				return nil, fmt.Errorf("measure volume: %w", err)
			}
			name := element.Name()
			if name == shared {
				name = ""
			}
			bytes[name+"/"+volume.Name()] = w.bytes
		}
	}
	return bytes, nil
}

// MeasureDirectory adds up the bytes on disk below a directory that containers write to; with an error, those
// that it has found so far.
func MeasureDirectory(ctx context.Context, path string) (int64, error) {
	dir, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open directory: %w", err)
	}
	w := walk{ctx: ctx, linked: map[[2]uint64]bool{}}
	if err := w.directory(dir, 0); err != nil {
		return w.bytes, fmt.Errorf("measure directory: %w", err)
	}
	return w.bytes, nil
}

// walk adds up one volume.
type walk struct {
	ctx    context.Context
	bytes  int64
	linked map[[2]uint64]bool // device and number of files with several names, to count them once
}

// directory adds what is below dir, and closes it. What vanishes meanwhile is not counted.
func (w *walk) directory(dir *os.File, level int) error {
	defer func() { _ = dir.Close() }()
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		names, err := dir.Readdirnames(512)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := w.entry(dir, name, level); err != nil {
				return err
			}
		}
	}
}

func (w *walk) entry(dir *os.File, name string, level int) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil // gone meanwhile
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR && stat.Nlink > 1 {
		key := [2]uint64{stat.Dev, stat.Ino}
		if w.linked[key] {
			return nil
		}
		w.linked[key] = true
	}
	w.bytes += stat.Blocks * 512
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || level >= depth {
		return nil
	}
	below, err := openat(dir, name, unix.O_DIRECTORY)
	if err != nil {
		return nil // gone, or turned into something else, meanwhile
	}
	return w.directory(below, level+1)
}
