package git

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
)

// FetchCommit brings the one commit that a branch, tag or whole commit of an origin names (empty: its
// HEAD) into a repository, without history, and returns it. One that is there already is not fetched.
func (g *Git) FetchCommit(ctx context.Context, repository berth.ID, origin berth.Upstream, ref string) (commit string, err error) {
	if ref != "" && !validRev(ref) {
		return "", berth.Errorf(berth.EInvalid, "%q is not the name of a branch, tag or commit", ref)
	}
	r, err := g.remote(origin)
	if err != nil {
		return "", err
	}
	err = g.writing(ctx, repository, func(ctx context.Context) error {
		if err := g.init(ctx, repository); err != nil {
			return err
		}
		return g.connected(r, func(c *connection) error {
			if commit, err = g.commitAt(ctx, c, ref); err != nil {
				return err
			}
			return g.fetchCommit(ctx, repository, c, commit)
		})
	})
	return commit, err
}

// commitAt asks the origin what a ref names. A branch goes before a tag of the same name, as in Resolve.
func (g *Git) commitAt(ctx context.Context, c *connection, ref string) (string, error) {
	if commitPattern.MatchString(ref) {
		return ref, nil
	}
	names := []string{"HEAD"}
	if ref != "" {
		names = []string{"refs/heads/" + ref, "refs/tags/" + ref + "^{}", "refs/tags/" + ref}
	}
	out, err := g.output(ctx, 1<<20, c.command(append([]string{"ls-remote", "--", c.address}, names...)...))
	if err != nil {
		return "", c.explain(err)
	}
	offered := map[string]string{}
	for line := range strings.Lines(string(out)) {
		commit, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		offered[name] = commit
	}
	for _, name := range names {
		if commit := offered[name]; commitPattern.MatchString(commit) {
			return commit, nil
		}
	}
	if ref == "" {
		return "", berth.Errorf(berth.EInvalid, "the repository at %s has no commit yet", c.address)
	}
	return "", berth.Errorf(berth.ENotFound, "%s has no branch or tag %s; a commit is written with all its digits", c.address, ref)
}

func (g *Git) fetchCommit(ctx context.Context, repository berth.ID, c *connection, commit string) error {
	if there, err := g.Exists(ctx, repository, commit); err != nil || there {
		return err
	}
	fetch := c.command("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--", c.address, "+"+commit+":refs/berth/"+commit)
	if err := g.fetchInto(ctx, repository, c, fetch); err != nil {
		return err
	}
	there, err := g.Exists(ctx, repository, commit)
	if err == nil && !there {
		err = fmt.Errorf("fetch %s of %s: it did not come", commit, c.address)
	}
	return err
}
