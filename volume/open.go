package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// Config says where volumes are and of what kind their store shall be.
type Config struct {
	Data string // the data directory
	Dir  string // where every deployment's tree is found, in whatever store
	// Wish is the kind to begin with; empty: the one that measures best. It counts at the first start only.
	Wish berth.StorageKind
	Log  *slog.Logger
}

// chosen is what is remembered of the store from the first start on.
type chosen struct {
	Kind berth.StorageKind `json:"kind"` // of new deployments' trees; all others move there
	// Pools are the kinds of which there is a file.
	Pools      []berth.StorageKind `json:"pools,omitempty"`
	Why        string              `json:"why"`
	Price      float64             `json:"writePrice,omitempty"`
	Clone      float64             `json:"cloneSeconds,omitempty"`
	MeasuredAt time.Time           `json:"measuredAt,omitzero"`
}

// Open finds the store that was chosen at the first start, or chooses one, and mounts what it needs. A pool
// stays mounted when the server ends: containers run on.
func Open(ctx context.Context, c Config) (*Volumes, error) {
	s := New(c.Dir)
	s.data = c.Data
	known, err := s.recall()
	switch {
	case err != nil:
		return nil, err
	case !known:
		if err := s.choose(ctx, c); err != nil {
			return nil, err
		}
	case c.Wish != "" && c.Wish != s.chosen.Kind:
		c.Log.Warn("the volume store was chosen at the first start and stays; berth volume migrate moves it", "kind", s.chosen.Kind, "asked", c.Wish)
	}
	if err := s.mountAll(ctx); err != nil {
		return nil, err
	}
	return s, s.recover()
}

func (s *Volumes) rememberedIn() string { return filepath.Join(s.data, "storage.json") }

// recall reads what was chosen.
func (s *Volumes) recall() (known bool, err error) {
	text, err := os.ReadFile(s.rememberedIn())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read volume store: %w", err)
	}
	if err := json.Unmarshal(text, &s.chosen); err != nil {
		return false, fmt.Errorf("read volume store: %s: %w", s.rememberedIn(), err)
	}
	return true, nil
}

// remember writes what is chosen, whole or not at all.
func (s *Volumes) remember(c chosen) error {
	text, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return fmt.Errorf("remember volume store: %w", err)
	}
	draft := s.rememberedIn() + ".new"
	file, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return s.explain("remember volume store", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return s.explain("remember volume store", err)
	}
	if err := os.Rename(draft, s.rememberedIn()); err != nil {
		return fmt.Errorf("remember volume store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chosen = c
	return nil
}

// choose decides at the first start, and makes what the choice needs.
func (s *Volumes) choose(ctx context.Context, c Config) error {
	out, err := s.wanted(ctx, c)
	if err != nil {
		return err
	}
	if out.Kind != berth.StorageDirectories {
		if err := s.makePool(ctx, out.Kind); err != nil {
			if c.Wish != "" {
				return err
			}
			c.Log.Warn("volumes are directories", "error", err)
			out = chosen{Kind: berth.StorageDirectories, Why: "no file for a pool could be made: " + err.Error()}
		} else {
			out.Pools = []berth.StorageKind{out.Kind}
		}
	}
	c.Log.Info("volume store", "kind", out.Kind, "why", out.Why)
	return s.remember(out)
}

func (s *Volumes) wanted(ctx context.Context, c Config) (chosen, error) {
	used, err := s.inUse()
	switch {
	case err != nil:
		return chosen{}, err
	case used:
		return chosen{Kind: berth.StorageDirectories, Why: "there were deployments before Berth had a choice; berth volume migrate moves them"}, nil
	case c.Wish != "":
		return chosen{Kind: c.Wish, Why: "berth serve --volumes asked for it"}, nil
	case s.poolSize() < smallestPool:
		return chosen{Kind: berth.StorageDirectories, Why: "the disk has too little room for a pool"}, nil
	}
	if native, err := s.sharesBlocks(); err != nil || native {
		return chosen{Kind: berth.StorageDirectories, Why: "the data directory's own file system copies without copying"}, err
	}
	host, pools, obstacle, err := try(ctx, filepath.Join(s.data, "trial"))
	if err != nil {
		c.Log.Warn("measure volume stores", "error", err)
		return chosen{Kind: berth.StorageDirectories, Why: "measuring failed: " + err.Error()}, nil
	}
	best := choose(host, pools, obstacle)
	return chosen{Kind: best.Kind, Why: best.Why, Price: best.Price, Clone: best.Clone, MeasuredAt: time.Now()}, nil
}

// inUse reports whether there are trees of a Berth that knew directories only.
func (s *Volumes) inUse() (bool, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("list volumes: %w", err)
	}
	return len(entries) > 0, nil
}

// sharesBlocks reports whether files of the data directory can share blocks.
func (s *Volumes) sharesBlocks() (bool, error) {
	from, to := filepath.Join(s.data, ".shares-a"), filepath.Join(s.data, ".shares-b")
	defer func() { _, _ = os.Remove(from), os.Remove(to) }()
	if err := os.WriteFile(from, make([]byte, 64<<10), 0o600); err != nil {
		return false, s.explain("look at file system", err)
	}
	source, err := os.Open(from)
	if err != nil {
		return false, fmt.Errorf("look at file system: %w", err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return false, s.explain("look at file system", err)
	}
	return unix.IoctlFileClone(int(target.Fd()), int(source.Fd())) == nil, target.Close()
}

const (
	// poolShare of the free disk is what a new pool may grow to.
	poolShare    = 0.7
	smallestPool = 1 << 30
)

func (s *Volumes) poolSize() int64 {
	var space unix.Statfs_t
	if err := unix.Statfs(s.data, &space); err != nil {
		return 0
	}
	return int64(float64(space.Bavail)*poolShare) * space.Bsize / loopBlock * loopBlock
}

func (s *Volumes) pool(kind berth.StorageKind) pool {
	return pool{kind: kind, file: filepath.Join(s.data, "volumes."+string(kind)), at: filepath.Join(s.data, "pools", string(kind))}
}

// makePool makes and mounts a pool, unless there is one already that a server which was killed made.
func (s *Volumes) makePool(ctx context.Context, kind berth.StorageKind) error {
	p := s.pool(kind)
	if _, err := os.Stat(p.file); errors.Is(err, fs.ErrNotExist) {
		if err := p.make(ctx, s.poolSize()); err != nil {
			return err
		}
	}
	return p.mount()
}

// mountAll mounts every pool, and binds each of its trees where trees are looked for. A pool that cannot be
// mounted is an error: without it, deployments would begin anew with nothing.
func (s *Volumes) mountAll(ctx context.Context) error {
	for _, kind := range s.chosen.Pools {
		p := s.pool(kind)
		if err := p.mount(); err != nil {
			return fmt.Errorf("open volumes: the %s that holds them, %s: %w", kind, p.file, err)
		}
		trees, err := treesIn(p.at)
		if err != nil {
			return err
		}
		for _, id := range trees {
			if err := errors.Join(ctx.Err(), s.bindTree(p.at, id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// treesIn lists the deployments whose trees are in a directory.
func treesIn(dir string) (ids []berth.ID, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list trees: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && partPattern.MatchString(e.Name()) {
			ids = append(ids, berth.ID(e.Name()))
		}
	}
	return ids, nil
}

// Storage says what volumes are kept in.
func (s *Volumes) Storage() (berth.Storage, error) {
	s.mu.Lock()
	c := s.chosen
	s.mu.Unlock()
	out := berth.Storage{Kind: c.Kind, Path: s.dir, HardLimits: hardLimits(c.Kind), Why: c.Why,
		WritePrice: c.Price, CloneSeconds: c.Clone, MeasuredAt: c.MeasuredAt}
	if c.Clone > 0 {
		out.CloneBytes = cloneBytes
	}
	at := s.dir
	if c.Kind != berth.StorageDirectories {
		p := s.pool(c.Kind)
		out.Pool, at = p.file, p.at
	}
	total, free, err := spaceAt(at)
	if err != nil {
		return out, err
	}
	_, below, err := spaceAt(s.data)
	out.TotalBytes, out.FreeBytes = total, min(free, below)
	return out, err
}

func spaceAt(path string) (total, free int64, err error) {
	var space unix.Statfs_t
	if err := unix.Statfs(path, &space); err != nil {
		return 0, 0, fmt.Errorf("measure disk: %w", err)
	}
	return int64(space.Blocks) * space.Bsize, int64(space.Bavail) * space.Bsize, nil
}
