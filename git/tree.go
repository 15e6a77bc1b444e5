package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

var commitPattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Resolve returns the commit that a branch, tag or (abbreviated) commit names. A branch goes before
// a tag of the same name.
func (g *Git) Resolve(ctx context.Context, project berth.ID, rev string) (commit string, err error) {
	if !validRev(rev) {
		return "", berth.Errorf(berth.EInvalid, "%q is not the name of a branch or commit", rev)
	}
	if err := g.mustExist(project); err != nil {
		return "", err
	}
	for _, name := range []string{"refs/heads/" + rev, rev} {
		out, err := g.output(ctx, 1<<10, command{repository: g.Dir(project),
			args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"}})
		if err == nil {
			return strings.TrimSpace(string(out)), nil
		}
		if f := (*failure)(nil); !errors.As(err, &f) {
			return "", err
		}
	}
	branches, err := g.Branches(ctx, project)
	switch {
	case err != nil:
		return "", err
	case len(branches) == 0:
		return "", berth.Errorf(berth.ENotFound, "the repository is empty: push or import a commit first")
	}
	return "", berth.Errorf(berth.ENotFound, "there is no branch or commit %s; the branches are %s", rev, listed(branches))
}

// validRev holds git's own rules for names of refs (git-check-ref-format), which leave no operator.
func validRev(rev string) bool {
	return rev != "" && len(rev) <= 250 && rev[0] != '-' && rev != "@" &&
		!strings.Contains(rev, "..") && !strings.Contains(rev, "@{") && !strings.Contains(rev, "//") &&
		!strings.HasSuffix(rev, "/") && !strings.HasSuffix(rev, ".") && !strings.HasSuffix(rev, ".lock") &&
		!strings.ContainsFunc(rev, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) })
}

// Branches returns the names of all branches, sorted.
func (g *Git) Branches(ctx context.Context, project berth.ID) ([]string, error) {
	if err := g.mustExist(project); err != nil {
		return nil, err
	}
	return g.branches(ctx, project)
}

// Holders lists the branches that a commit is on.
func (g *Git) Holders(ctx context.Context, project berth.ID, commit string) ([]string, error) {
	switch there, err := g.Exists(ctx, project, commit); {
	case err != nil:
		return nil, err
	case !there:
		return nil, berth.Errorf(berth.ENotFound, "the repository has no commit %.12s", commit)
	}
	return g.branches(ctx, project, "--contains="+commit)
}

func (g *Git) branches(ctx context.Context, project berth.ID, which ...string) ([]string, error) {
	args := append([]string{"for-each-ref", "--format=%(refname:strip=2)"}, which...)
	out, err := g.output(ctx, 64<<20, command{repository: g.Dir(project), args: append(args, "refs/heads")})
	if err != nil {
		return nil, fmt.Errorf("list branches: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// Exists reports whether a project's repository has a commit.
func (g *Git) Exists(ctx context.Context, project berth.ID, commit string) (bool, error) {
	if !commitPattern.MatchString(commit) || !g.exists(project) {
		return false, nil
	}
	err := g.run(ctx, command{repository: g.Dir(project), args: []string{"cat-file", "-e", commit + "^{commit}"}})
	if f := (*failure)(nil); errors.As(err, &f) {
		return false, nil
	}
	return err == nil, err
}

func (g *Git) mustExist(project berth.ID) error {
	if !idPattern.MatchString(string(project)) || !g.exists(project) {
		return berth.Errorf(berth.ENotFound, "the project has no repository yet")
	}
	return nil
}

// entry is one line of a tree.
type entry struct {
	mode, object, path string
	size               int64
}

const (
	modeLink   = "120000"
	modeModule = "160000"
	modeTree   = "040000"
)

// ReadFile returns a regular file of a commit, of at most max bytes. Links are not followed: they
// are EInvalid, as are folders. A missing file is fs.ErrNotExist.
func (g *Git) ReadFile(ctx context.Context, project berth.ID, commit, name string, max int64) ([]byte, error) {
	name, err := cleanPath(name)
	if err != nil {
		return nil, err
	}
	entries, err := g.tree(ctx, project, commit, name)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("read %s of %.12s: %w", name, commit, fs.ErrNotExist)
	}
	switch e := entries[0]; {
	case e.mode == modeLink:
		return nil, berth.Errorf(berth.EInvalid, "%s is a link: Berth reads regular files only", name)
	case e.mode == modeTree, e.mode == modeModule:
		return nil, berth.Errorf(berth.EInvalid, "%s is a folder, not a file", name)
	case e.size > max:
		return nil, berth.Errorf(berth.EInvalid, "%s has %d bytes, but Berth reads at most %d", name, e.size, max)
	default:
		data, err := g.output(ctx, max, command{repository: g.Dir(project), args: []string{"cat-file", "blob", e.object}})
		if err != nil {
			return nil, fmt.Errorf("read %s of %.12s: %w", name, commit, err)
		}
		return data, nil
	}
}

// List returns the names in a folder of a commit ("" is the top), folders with a slash behind.
// Submodules are left out. A missing folder is fs.ErrNotExist.
func (g *Git) List(ctx context.Context, project berth.ID, commit, dir string) ([]string, error) {
	var below []string
	if dir = strings.Trim(dir, "/"); dir != "" && dir != "." {
		name, err := cleanPath(dir)
		if err != nil {
			return nil, err
		}
		below = []string{name + "/"}
	}
	entries, err := g.tree(ctx, project, commit, below...)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 && below != nil { // git stores no empty folders
		return nil, fmt.Errorf("list %s of %.12s: %w", dir, commit, fs.ErrNotExist)
	}
	names := []string{}
	for _, e := range entries {
		switch e.mode {
		case modeModule:
		case modeTree:
			names = append(names, path.Base(e.path)+"/")
		default:
			names = append(names, path.Base(e.path))
		}
	}
	return names, nil
}

func cleanPath(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if !fs.ValidPath(clean) || clean == "." || strings.ContainsRune(clean, 0) {
		return "", berth.Errorf(berth.EInvalid, "%q is not a path inside the repository", name)
	}
	return clean, nil
}

// tree lists what of a commit is at the given paths, all of the top without one.
func (g *Git) tree(ctx context.Context, project berth.ID, commit string, paths ...string) ([]entry, error) {
	if !commitPattern.MatchString(commit) {
		return nil, berth.Errorf(berth.EInvalid, "%q is not a commit", commit)
	}
	if err := g.mustExist(project); err != nil {
		return nil, err
	}
	out, err := g.output(ctx, 64<<20, command{repository: g.Dir(project),
		args: append([]string{"ls-tree", "-z", "--long", "--full-tree", commit, "--"}, paths...)})
	if f := (*failure)(nil); errors.As(err, &f) {
		if there, err := g.Exists(ctx, project, commit); err == nil && !there {
			return nil, berth.Errorf(berth.ENotFound, "the repository has no commit %.12s", commit)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list tree: %w", err)
	}
	var entries []entry
	for line := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		// <mode> <type> <object> <size, padded> TAB <path>
		about, name, _ := strings.Cut(line, "\t")
		if fields := strings.Fields(about); len(fields) == 4 {
			size, _ := strconv.ParseInt(fields[3], 10, 64) // "-" of what has none
			entries = append(entries, entry{mode: fields[0], object: fields[2], path: name, size: size})
		}
	}
	return entries, nil
}
