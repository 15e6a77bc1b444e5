package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// A tree moves in steps of which each leaves the old one or the new one whole: its copy grows under the first
// name, gets the second one when it is known to be right, and from there on only has to take the old
// one's place. No deployment can be named so.
const (
	moving = ".moving-"
	moved  = ".moved-"
)

// Migrate makes another kind of store the one for new trees; empty: the one that measures best. What is
// elsewhere is Left.
func (s *Volumes) Migrate(ctx context.Context, to berth.StorageKind) (berth.StorageKind, error) {
	s.stores.Lock()
	defer s.stores.Unlock()
	if err := s.mayUse(to); err != nil {
		return "", err
	}
	host, pools, obstacle, err := try(ctx, filepath.Join(s.data, "trial"))
	if err != nil {
		return "", fmt.Errorf("measure volume stores: %w", err)
	}
	best := choose(host, pools, obstacle)
	next := chosen{Kind: best.Kind, Why: best.Why, Price: best.Price, Clone: best.Clone, MeasuredAt: time.Now()}
	if to != "" && to != best.Kind {
		next = chosen{Kind: to, MeasuredAt: time.Now()}
		for _, m := range append(pools, host) {
			if m.Kind == to {
				next.Price, next.Clone = host.Writes/m.Writes, m.Clone
			}
		}
	}
	if to != "" {
		next.Why = "berth volume migrate asked for it"
	}
	return next.Kind, s.use(ctx, next)
}

// mayUse refuses the store that is used.
func (s *Volumes) mayUse(kind berth.StorageKind) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chosen.Kind == kind {
		return berth.Errorf(berth.EConflict, "volumes are kept in %s already", kind)
	}
	return nil
}

// use makes next the store for new trees.
func (s *Volumes) use(ctx context.Context, next chosen) error {
	if err := s.mayUse(next.Kind); err != nil {
		return err
	}
	s.mu.Lock()
	now := s.chosen
	s.mu.Unlock()
	next.Pools = now.Pools
	if next.Kind != berth.StorageDirectories && !slices.Contains(now.Pools, next.Kind) {
		if s.poolSize() < smallestPool {
			return berth.Errorf(berth.EUnavailable, "the disk that holds %s has too little room for a pool: free some space there, then try again", s.data)
		}
		if err := s.makePool(ctx, next.Kind); err != nil {
			return err
		}
		next.Pools = append(slices.Clone(now.Pools), next.Kind)
	}
	return s.remember(next)
}

// Left lists the deployments whose trees are in another store than new ones.
func (s *Volumes) Left() (ids []berth.ID, err error) {
	s.mu.Lock()
	c := s.chosen
	s.mu.Unlock()
	for _, kind := range append(slices.Clone(c.Pools), berth.StorageDirectories) {
		if kind == c.Kind {
			continue
		}
		trees, err := treesIn(s.homeOf(kind))
		if err != nil {
			return nil, err
		}
		for _, id := range trees {
			if at, _, exists, err := s.home(id); err != nil {
				return nil, err
			} else if exists && at != c.Kind {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Move moves a deployment's tree to the store for new ones. Nothing may use it meanwhile. What was there
// before is deleted only when the copy is known to be the same.
func (s *Volumes) Move(ctx context.Context, deployment berth.ID) error {
	kind, from, exists, err := s.home(deployment)
	s.mu.Lock()
	to := s.chosen.Kind
	s.mu.Unlock()
	if err != nil || !exists || kind == to {
		return err
	}
	home := s.homeOf(to)
	if err := s.discardDraft(ctx, home, deployment); err != nil {
		return err
	}
	if err := s.hasRoom(ctx, filepath.Join(from, string(deployment)), home); err != nil {
		return err
	}
	draft := filepath.Join(home, moving+string(deployment))
	if err := makeTree(to, home, moving+string(deployment)); err != nil {
		return s.explain("make tree", err)
	}
	if err := copyVerified(ctx, filepath.Join(from, string(deployment)), draft); err != nil {
		return errors.Join(s.explain("copy tree", err), s.discardDraft(ctx, home, deployment))
	}
	if err := os.Rename(draft, filepath.Join(home, moved+string(deployment))); err != nil {
		return fmt.Errorf("keep copy: %w", err)
	}
	if err := s.finish(ctx, to, deployment); err != nil {
		return errors.Join(err, s.takeBack(kind, to, deployment))
	}
	return nil
}

// takeBack gives a copy up that did not take its place: the old tree is used on, and the copy would be taken for
// the newer one at the next start.
func (s *Volumes) takeBack(from, to berth.StorageKind, deployment berth.ID) error {
	stays, err := isTree(s.homeOf(from), deployment)
	if err != nil || !stays {
		return err
	}
	home := s.homeOf(to)
	if err := os.Rename(filepath.Join(home, moved+string(deployment)), filepath.Join(home, moving+string(deployment))); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // it has its place
			return nil
		}
		return fmt.Errorf("give copy up: %w", err)
	}
	if from == berth.StorageDirectories {
		return nil
	}
	return s.bindTree(s.homeOf(from), deployment)
}

// finishMove finishes a move of which the old tree is gone already and the copy has not taken its place.
func (s *Volumes) finishMove(deployment berth.ID) (found bool, err error) {
	s.mu.Lock()
	pools := slices.Clone(s.chosen.Pools)
	s.mu.Unlock()
	for _, kind := range append(pools, berth.StorageDirectories) {
		if found, err := isTree(s.homeOf(kind), moved+deployment); err != nil || found {
			return found, errors.Join(err, s.takePlace(kind, deployment))
		}
	}
	return false, nil
}

// settle has on disk, whatever happens to the machine, how what is in a directory of trees is called. A pool has
// its own idea of when to write that down, the disk below it another.
func settle(dir string) error {
	open, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(open.Fd())), open.Close())
}

// hasRoom refuses a copy that would fill a disk: a fiftieth of it has to be left.
func (s *Volumes) hasRoom(ctx context.Context, tree, home string) error {
	need, err := MeasureDirectory(ctx, tree)
	if err != nil {
		return err
	}
	for _, disk := range []string{home, s.data} {
		total, free, err := spaceAt(disk)
		if err != nil {
			return err
		}
		if free-need < total/50 {
			return berth.Errorf(berth.EUnavailable, "there is no room for a second copy of its volumes: they hold %d MiB, and %d MiB are free at %s. Free some space there; Berth tries again later", need>>20, free>>20, disk)
		}
	}
	return nil
}

// copyVerified copies a tree, and reads both again to see that they are the same and on disk.
func copyVerified(ctx context.Context, from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := os.Open(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := copyTree(ctx, source, target, false); err != nil {
		return err
	}
	if err := unix.Syncfs(int(target.Fd())); err != nil {
		return err
	}
	want, err := digest(ctx, source)
	if err != nil {
		return err
	}
	got, err := digest(ctx, target)
	if err == nil && got != want {
		err = errors.New("the copy is not the same as what was copied; something writes to it")
	}
	return err
}

// finish lets a copy that is whole take the old tree's place, and only then deletes that.
func (s *Volumes) finish(ctx context.Context, to berth.StorageKind, deployment berth.ID) error {
	if err := s.takePlace(to, deployment); err != nil {
		return err
	}
	var failures []error
	for _, dir := range s.homesBut(to) {
		failures = append(failures, s.emptyAll(ctx, dir, deployment))
	}
	return errors.Join(failures...)
}

// homesBut are the directories of all stores but one.
func (s *Volumes) homesBut(kind berth.StorageKind) []string {
	home := s.homeOf(kind)
	return slices.DeleteFunc(append(s.Pools(), s.dir), func(dir string) bool { return dir == home })
}

// takePlace leaves the old tree in the trash, and the copy in its place. Doing it again harms nothing.
func (s *Volumes) takePlace(to berth.StorageKind, deployment berth.ID) error {
	home := s.homeOf(to)
	if err := settle(home); err != nil {
		return fmt.Errorf("keep copy: %w", err)
	}
	if err := s.unbindTree(deployment); err != nil {
		return err
	}
	for _, dir := range s.homesBut(to) {
		if err := s.throwAway(dir, deployment, string(deployment)); err != nil {
			return err
		}
	}
	whole, place := filepath.Join(home, moved+string(deployment)), filepath.Join(home, string(deployment))
	if err := os.Rename(whole, place); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put copy in place: %w", err)
	}
	s.forget(deployment)
	if to == berth.StorageDirectories {
		return nil
	}
	return s.bindTree(home, deployment)
}

func (s *Volumes) discardDraft(ctx context.Context, home string, deployment berth.ID) error {
	return s.discard(ctx, home, deployment, moving+string(deployment))
}

// recover finishes moves that a server which was killed had begun, or takes them back. Sweep deletes what that
// leaves: nobody waits for it who waits for the server.
func (s *Volumes) recover() error {
	s.mu.Lock()
	c := s.chosen
	s.mu.Unlock()
	for _, kind := range append(slices.Clone(c.Pools), berth.StorageDirectories) {
		home := s.homeOf(kind)
		entries, err := os.ReadDir(home)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("list trees: %w", err)
		}
		for _, e := range entries {
			if id, whole := strings.CutPrefix(e.Name(), moved); whole {
				err = s.takePlace(kind, berth.ID(id))
			} else if id, begun := strings.CutPrefix(e.Name(), moving); begun {
				err = s.throwAway(home, berth.ID(id), e.Name())
			}
			if err != nil {
				return fmt.Errorf("finish moving a tree: %w", err)
			}
		}
	}
	return nil
}

// Retire deletes the pools that nothing is in any more and that are not for new trees.
func (s *Volumes) Retire(ctx context.Context) error {
	s.stores.Lock()
	defer s.stores.Unlock()
	s.mu.Lock()
	next := s.chosen
	s.mu.Unlock()
	var failures []error
	for _, kind := range slices.Clone(next.Pools) {
		if kind == next.Kind {
			continue
		}
		if empty, err := s.pool(kind).isEmpty(); err != nil || !empty {
			failures = append(failures, err)
			continue
		}
		next.Pools = slices.DeleteFunc(slices.Clone(next.Pools), func(k berth.StorageKind) bool { return k == kind })
		if err := errors.Join(ctx.Err(), s.remember(next), s.pool(kind).destroy()); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// Sweep empties all trash: what deletions and moves left that were cut short.
func (s *Volumes) Sweep(ctx context.Context) error {
	for _, dir := range append(s.Pools(), s.dir) {
		if err := s.sweep(ctx, dir); err != nil {
			return fmt.Errorf("empty trash: %w", err)
		}
	}
	return nil
}

func (s *Volumes) sweep(ctx context.Context, dir string) error {
	bin, err := os.Open(filepath.Join(dir, trash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = bin.Close() }()
	names, err := bin.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, name := range names {
		id, _, _ := strings.Cut(name, "-")
		e := emptying{ctx: ctx, top: bin, deployment: berth.ID(id)}
		if err := e.all(bin, id+"-"); err != nil {
			return err
		}
	}
	return nil
}
