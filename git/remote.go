package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Fetch makes a project's repository a mirror of the branches and tags of an origin. All refs change
// together or none. The token, which may be empty, is sent to the URL's own host only. Errors may be
// berth.ErrRefused and berth.ErrHostKey.
func (g *Git) Fetch(ctx context.Context, project berth.ID, origin berth.Upstream) (found berth.Fetched, err error) {
	r, err := g.remote(origin)
	if err != nil {
		return berth.Fetched{}, err
	}
	err = g.writing(ctx, project, func(ctx context.Context) error {
		if err := g.init(ctx, project); err != nil {
			return err
		}
		return g.connected(r, func(c *connection) error {
			c.field = "gitUrl"
			found.DefaultBranch, err = g.mirror(ctx, project, c)
			found.HostKeys = c.hostKeys()
			return err
		})
	})
	return found, err
}

func (g *Git) mirror(ctx context.Context, project berth.ID, c *connection) (string, error) {
	remote, err := g.offered(ctx, c)
	if err != nil {
		return "", err
	}
	if len(remote.branches) == 0 {
		return "", berth.Errorf(berth.EInvalid, "the repository at %s has no branch yet: push a commit to it first", c.address)
	}
	if same, err := g.mirrors(ctx, project, remote); err != nil || same {
		return remote.defaultBranch(), errors.Join(err, g.setHead(ctx, project, remote.defaultBranch()))
	}
	fetch := c.command(append([]string{"fetch", "--quiet", "--atomic", "--prune", "--force", "--no-write-fetch-head", "--", c.address}, refspecs...)...)
	if err := g.fetchInto(ctx, project, c, fetch); err != nil {
		return "", err
	}
	return remote.defaultBranch(), g.setHead(ctx, project, remote.defaultBranch())
}

// mirrors reports whether a repository has exactly the branches and tags that an origin offers, so that there is nothing
// to fetch.
func (g *Git) mirrors(ctx context.Context, project berth.ID, remote heads) (bool, error) {
	here, err := g.heads(ctx, project)
	return maps.Equal(here.branches, remote.branches) && maps.Equal(here.tags, remote.tags), err
}

// fetchInto runs a fetch that may take no more than the limit, and leaves nothing of one that failed.
func (g *Git) fetchInto(ctx context.Context, project berth.ID, c *connection, fetch command) error {
	fetch.repository, fetch.maxFile = g.Dir(project), g.config.MaxFetch
	fetch.config = append(fetch.config, "fetch.unpackLimit=1") // one pack, so that one file is what is limited
	err := g.run(ctx, fetch)
	if err == nil {
		return nil
	}
	if full := g.dropHalves(project); full && ctx.Err() == nil {
		e := berth.Errorf(berth.EInvalid, "the repository at %s is larger than %d MiB, the most that Berth fetches: make its history smaller (git filter-repo), or keep what is large elsewhere",
			c.address, g.config.MaxFetch>>20)
		e.Field, e.Err = c.field, err
		return e
	}
	return c.explain(err)
}

// dropHalves removes what a fetch that failed has left, and reports whether it had reached the limit: git
// itself says only that something went wrong.
func (g *Git) dropHalves(project berth.ID) (full bool) {
	halves, _ := filepath.Glob(filepath.Join(g.Dir(project), "objects", "pack", "tmp_*"))
	for _, half := range halves {
		if info, err := os.Stat(half); err == nil && info.Size() >= g.config.MaxFetch {
			full = true
		}
		_ = os.Remove(half) // what stays is small trouble next to the failure
	}
	return full
}

// refspecs are all branches and tags, and nothing else of what an origin may have.
var refspecs = []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}

func (g *Git) setHead(ctx context.Context, project berth.ID, branch string) error {
	if err := g.run(ctx, command{repository: g.Dir(project), args: []string{"symbolic-ref", "HEAD", "refs/heads/" + branch}}); err != nil {
		return fmt.Errorf("set default branch: %w", err)
	}
	return nil
}

// heads is what a repository or bundle offers.
type heads struct {
	head     string            // the branch that HEAD names, where it says so
	commit   string            // what HEAD points to
	branches map[string]string // commits by name
	tags     map[string]string // objects by name
}

// parseHeads reads the lines of ls-remote --symref and of bundle list-heads.
func parseHeads(text string) heads {
	h := heads{branches: map[string]string{}, tags: map[string]string{}}
	for line := range strings.Lines(text) {
		what, name, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if name == "" {
			what, name, _ = strings.Cut(strings.TrimRight(line, "\n"), " ")
		}
		target, symbolic := strings.CutPrefix(what, "ref: refs/heads/")
		branch, isBranch := strings.CutPrefix(name, "refs/heads/")
		tag, isTag := strings.CutPrefix(name, "refs/tags/")
		switch {
		case name == "HEAD" && symbolic:
			h.head = target
		case name == "HEAD":
			h.commit = what
		case isBranch:
			h.branches[branch] = what
		case isTag && !strings.HasSuffix(tag, "^{}"): // which is what the tag points to
			h.tags[tag] = what
		}
	}
	return h
}

// offered is what an origin has.
func (g *Git) offered(ctx context.Context, c *connection) (heads, error) {
	text, err := g.output(ctx, 64<<20, c.command("ls-remote", "--symref", "--", c.address))
	if err != nil {
		return heads{}, c.explain(err)
	}
	return parseHeads(string(text)), nil
}

// heads is what a project's repository has.
func (g *Git) heads(ctx context.Context, project berth.ID) (heads, error) {
	out, err := g.output(ctx, 64<<20, command{repository: g.Dir(project), args: []string{"for-each-ref", "--format=%(objectname)%09%(refname)", "refs/heads/", "refs/tags/"}})
	if err != nil {
		return heads{}, fmt.Errorf("list branches and tags: %w", err)
	}
	return parseHeads(string(out)), nil
}

// defaultBranch is the one that HEAD names or points to, else the usual ones, else the first by name.
func (h heads) defaultBranch() string {
	names := make([]string, 0, len(h.branches))
	for name := range h.branches {
		names = append(names, name)
	}
	slices.Sort(names)
	candidates := append([]string{"main", "master"}, names...)
	if _, there := h.branches[h.head]; there {
		return h.head
	}
	for _, name := range candidates {
		if commit, there := h.branches[name]; there && commit == h.commit {
			return name
		}
	}
	for _, name := range candidates {
		if _, there := h.branches[name]; there {
			return name
		}
	}
	return ""
}
