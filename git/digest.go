package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Digest is equal for commits that have the same in a folder ("" is the top), whatever is at the paths
// without. It reads Git's own object ids, no file. A missing folder is fs.ErrNotExist.
func (g *Git) Digest(ctx context.Context, project berth.ID, commit, dir string, without []string) (string, error) {
	sum := sha256.New()
	dir = strings.Trim(path.Clean("/"+dir), "/")
	if err := g.digest(ctx, sum, project, commit, dir, without); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// digest writes a folder's entries, each folder that leaves something out entry by entry.
func (g *Git) digest(ctx context.Context, sum io.Writer, project berth.ID, commit, dir string, without []string) error {
	var below []string
	if dir != "" {
		below = []string{dir + "/"}
	}
	entries, err := g.tree(ctx, project, commit, below...)
	if err != nil {
		return err
	}
	if len(entries) == 0 && dir != "" { // git stores no empty folders
		return fmt.Errorf("read %s of %.12s: %w", dir, commit, fs.ErrNotExist)
	}
	for _, e := range entries {
		switch {
		case slices.Contains(without, e.path):
		case e.mode == modeTree && slices.ContainsFunc(without, func(p string) bool { return strings.HasPrefix(p, e.path+"/") }):
			err = g.digest(ctx, sum, project, commit, e.path, without)
		default:
			_, err = fmt.Fprintf(sum, "%s %s %q\n", e.mode, e.object, strings.TrimPrefix(e.path, dir+"/"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Mentions reports whether a file in a folder of a commit has a line that matches an extended regular
// expression. Files that are no text count with the rest; what a link names counts as a match, for
// nothing is said of where it leads.
func (g *Git) Mentions(ctx context.Context, project berth.ID, commit, dir, pattern string) (bool, error) {
	name, err := cleanPath(dir)
	if err != nil {
		return false, err
	}
	switch linked, err := g.hasLinks(ctx, project, commit, name); {
	case err != nil:
		return false, err
	case linked:
		return true, nil
	}
	err = g.run(ctx, command{repository: g.Dir(project), args: []string{"grep", "--quiet", "--text", "--no-recurse-submodules",
		"--no-textconv", "--extended-regexp", "-e", pattern, commit, "--", name}})
	if err == nil {
		return true, nil
	}
	if f := (*failure)(nil); errors.As(err, &f) && f.exit() == 1 {
		return false, nil
	}
	return false, fmt.Errorf("search %s of %.12s: %w", name, commit, err)
}

func (g *Git) hasLinks(ctx context.Context, project berth.ID, commit, dir string) (bool, error) {
	if !commitPattern.MatchString(commit) {
		return false, berth.Errorf(berth.EInvalid, "%q is not a commit", commit)
	}
	if err := g.mustExist(project); err != nil {
		return false, err
	}
	out, err := g.output(ctx, 64<<20, command{repository: g.Dir(project), args: []string{"ls-tree", "-r", "-z", "--full-tree", commit, "--", dir + "/"}})
	if err != nil {
		return false, fmt.Errorf("list tree: %w", err)
	}
	for line := range strings.SplitSeq(string(out), "\x00") {
		if strings.HasPrefix(line, modeLink+" ") {
			return true, nil
		}
	}
	return false, nil
}
