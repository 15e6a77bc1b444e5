// Package git keeps one bare repository per project and reads trees out of it, with the git program
// in an environment of its own. What comes from outside (URLs, names, bundles, objects, attributes)
// is treated as hostile: no hook, filter, submodule or configuration of others ever runs.
//
// It must not know the store, and never touches a code volume.
package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
)

// Config is what repositories are kept with.
type Config struct {
	Dir        string            // holds "<project id>.git"
	Env        map[string]string // trust and proxy variables for connections
	AllowFile  bool              // allow file:// URLs: they read this machine's files, so for tests only
	KnownHosts []string          // "host type key": what well-known SSH hosts publish as theirs
	Timeout    time.Duration     // of one Import, Fetch or Checkout; zero: 15 minutes
	MaxBundle  int64             // bytes of an imported bundle; zero: 4 GiB
	MaxFiles   int               // of a checked-out tree, folders included; zero: a million
	MaxFetch   int64             // bytes of one fetch; zero: 4 GiB
	MaxTree    int64             // bytes of a checked-out tree; zero: 8 GiB
}

// Git is the repositories of all projects. It is safe for concurrent use.
type Git struct {
	config Config

	mu   sync.Mutex
	busy map[berth.ID]chan struct{} // holds a token while somebody writes to the repository
}

// New returns the repositories below c.Dir. It opens nothing.
func New(c Config) *Git {
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Minute
	}
	if c.MaxBundle == 0 {
		c.MaxBundle = 4 << 30
	}
	if c.MaxFiles == 0 {
		c.MaxFiles = 1_000_000
	}
	if c.MaxFetch == 0 {
		c.MaxFetch = 4 << 30
	}
	if c.MaxTree == 0 {
		c.MaxTree = 8 << 30
	}
	return &Git{config: c, busy: map[berth.ID]chan struct{}{}}
}

// Dir returns where a project's repository is.
func (g *Git) Dir(project berth.ID) string {
	return filepath.Join(g.config.Dir, string(project)+".git")
}

// Init makes an empty repository; one that exists stays as it is.
func (g *Git) Init(ctx context.Context, project berth.ID) error {
	return g.writing(ctx, project, func(ctx context.Context) error { return g.init(ctx, project) })
}

func (g *Git) init(ctx context.Context, project berth.ID) error {
	if g.exists(project) {
		return nil
	}
	return g.drafted(project, func(draft string) error {
		if err := g.initAt(ctx, draft); err != nil {
			return err
		}
		return os.Rename(draft, g.Dir(project))
	})
}

// attributes overrule those of every tree: what is checked out is what was committed, left-out and
// filled-in files included, and no filter has a say.
const attributes = "* -export-ignore -export-subst -filter\n"

// initAt makes a bare repository without hooks that the deployment's own containers may read; the
// directory above it is for the server only.
func (g *Git) initAt(ctx context.Context, dir string) error {
	if err := g.run(ctx, command{args: []string{"init", "--quiet", "--bare", "--template=", "--shared=0644", "--initial-branch=main", "--", dir}}); err != nil {
		return fmt.Errorf("init repository: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o755); err != nil {
		return fmt.Errorf("init repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "info", "attributes"), []byte(attributes), 0o644); err != nil {
		return fmt.Errorf("init repository: %w", err)
	}
	return nil
}

// Remove deletes a project's repository; one that does not exist is no error.
func (g *Git) Remove(ctx context.Context, project berth.ID) error {
	return g.writing(ctx, project, func(context.Context) error {
		return g.drafted(project, func(draft string) error {
			if err := os.Rename(g.Dir(project), draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove repository: %w", err)
			}
			return nil
		})
	})
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)

func (g *Git) exists(project berth.ID) bool {
	_, err := os.Stat(filepath.Join(g.Dir(project), "HEAD"))
	return err == nil
}

// writing runs fn as the repository's only writer, within the time limit.
func (g *Git) writing(ctx context.Context, project berth.ID, fn func(context.Context) error) error {
	if !idPattern.MatchString(string(project)) {
		return berth.Errorf(berth.EInvalid, "%q names no project", project)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, g.config.Timeout, errTooLong)
	defer cancel()
	turn := g.turn(project)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return fn(ctx)
}

func (g *Git) turn(project berth.ID) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[project] == nil {
		g.busy[project] = make(chan struct{}, 1)
	}
	return g.busy[project]
}

// drafted runs fn with the path of a directory that does not exist yet, on the same disk as the
// repositories. What is there afterwards, or was left there by a killed server, is deleted.
func (g *Git) drafted(project berth.ID, fn func(draft string) error) error {
	drafts := filepath.Join(g.config.Dir, ".drafts", string(project))
	if err := errors.Join(os.RemoveAll(drafts), os.MkdirAll(drafts, 0o700)); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return g.diskFull()
		}
		return fmt.Errorf("make draft: %w", err)
	}
	err := fn(filepath.Join(drafts, "repository.git"))
	if gone := os.RemoveAll(drafts); gone != nil {
		return errors.Join(err, fmt.Errorf("remove draft: %w", gone))
	}
	return err
}

// listed names some of many, for people.
func listed(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
