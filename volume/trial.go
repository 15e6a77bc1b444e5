package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

const (
	// trialTime is how long each kind is written to in each round; trialLimit bounds all of it.
	trialTime   = 80 * time.Millisecond
	trialRounds = 4
	trialLimit  = 8 * time.Second
	trialSize   = 512 << 20
	// The tree that is copied: files like those of a small database.
	cloneFiles, cloneFile = 64, 256 << 10
	cloneBytes            = cloneFiles * cloneFile
)

// try measures the machine's own file system and each kind of pool below dir, which it makes and removes.
// obstacle is why a kind could not be tried.
func try(ctx context.Context, dir string) (host measured, pools []measured, obstacle, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	if err := clearTrial(dir); err != nil {
		return host, nil, nil, err
	}
	defer func() { err = errors.Join(err, clearTrial(dir)) }()
	at := filepath.Join(dir, string(berth.StorageDirectories))
	if err := os.MkdirAll(at, 0o700); err != nil {
		return host, nil, nil, fmt.Errorf("make place to measure: %w", err)
	}
	all := []*candidate{{measured: measured{Kind: berth.StorageDirectories}, at: at}}
	for _, kind := range []berth.StorageKind{berth.StorageXFS, berth.StorageBtrfs} {
		p := trialPool(dir, kind)
		if err := p.make(ctx, trialSize); err != nil {
			obstacle = errors.Join(obstacle, err)
		} else if err := p.mount(); err != nil {
			obstacle = errors.Join(obstacle, err)
		} else {
			all = append(all, &candidate{measured: measured{Kind: kind}, at: p.at})
		}
	}
	if err := measure(ctx, all); err != nil {
		return host, nil, nil, err
	}
	for _, c := range all[1:] {
		pools = append(pools, c.measured)
	}
	return all[0].measured, pools, obstacle, nil
}

func trialPool(dir string, kind berth.StorageKind) pool {
	return pool{kind: kind, file: filepath.Join(dir, string(kind)+".pool"), at: filepath.Join(dir, string(kind))}
}

// clearTrial removes what a trial leaves, also one that was killed.
func clearTrial(dir string) error {
	for kind := range makers {
		if err := trialPool(dir, kind).destroy(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove place to measure: %w", err)
	}
	return nil
}

// candidate is a kind of store that is being tried.
type candidate struct {
	measured
	at string
}

// measure takes turns, so that what else the machine does falls on all alike, and keeps the best of each.
func measure(ctx context.Context, all []*candidate) error {
	for _, c := range all {
		if err := c.prepare(); err != nil {
			return fmt.Errorf("prepare to measure %s: %w", c.Kind, err)
		}
	}
	for range trialRounds {
		for _, c := range all {
			writes, err := measureWrites(ctx, filepath.Join(c.at, "tree", "log"))
			if err != nil {
				return fmt.Errorf("measure writes to %s: %w", c.Kind, err)
			}
			c.Writes = max(c.Writes, writes)
		}
	}
	for _, c := range all {
		began := time.Now()
		if err := c.cloneOnce(ctx); err != nil {
			return fmt.Errorf("measure copying in %s: %w", c.Kind, err)
		}
		c.Clone = time.Since(began).Seconds()
	}
	return nil
}

// prepare makes a tree of cloneBytes.
func (c *candidate) prepare() (err error) {
	tree := filepath.Join(c.at, "tree")
	if c.Kind == berth.StorageBtrfs {
		err = c.in(func(dir *os.File) error { return createSubvolume(dir, "tree") })
	} else {
		err = os.Mkdir(tree, 0o700)
	}
	content := make([]byte, cloneFile)
	for i := range content {
		content[i] = byte(i * i >> 8)
	}
	for i := 0; i < cloneFiles && err == nil; i++ {
		err = os.WriteFile(filepath.Join(tree, strconv.Itoa(i)), content, 0o600)
	}
	return err
}

func (c *candidate) in(do func(dir *os.File) error) error {
	dir, err := os.Open(c.at)
	if err != nil {
		return err
	}
	return errors.Join(do(dir), dir.Close())
}

// measureWrites counts writes of pages here and there in a file of some size, each on disk before the next,
// as a database and its log write.
func measureWrites(ctx context.Context, path string) (perSecond float64, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	const page, pages = 8 << 10, 512
	if _, err := file.Write(make([]byte, page*pages)); err != nil {
		return 0, err
	}
	if err := file.Sync(); err != nil {
		return 0, err
	}
	began, content := time.Now(), make([]byte, page)
	for n := int64(1); ; n++ {
		content[0] = byte(n)
		if _, err := file.WriteAt(content, n*197%pages*page); err != nil {
			return 0, err
		}
		if err := errors.Join(unix.Fdatasync(int(file.Fd())), ctx.Err()); err != nil {
			return 0, err
		}
		if took := time.Since(began); took >= trialTime {
			return float64(n) / took.Seconds(), nil
		}
	}
}

// cloneOnce copies the tree beside itself, as well as the kind can.
func (c *candidate) cloneOnce(ctx context.Context) error {
	from, err := os.Open(filepath.Join(c.at, "tree"))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if c.Kind == berth.StorageBtrfs {
		return c.in(func(dir *os.File) error { return snapshot(from, dir, "copy") })
	}
	copied := filepath.Join(c.at, "copy")
	if err := os.Mkdir(copied, 0o700); err != nil {
		return err
	}
	to, err := os.Open(copied)
	if err != nil {
		return err
	}
	return errors.Join(copyTree(ctx, from, to, true), to.Sync(), to.Close())
}
