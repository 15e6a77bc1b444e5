package git

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// MoveOut pushes the branches and tags of a project's own repository to an origin, and makes the repository a mirror
// of it. Nothing there is overwritten: what the origin has already, or has more commits of, is not pushed, and a branch
// or tag that has another history there is an error that names it, berth.ErrDiverged, with which nothing is changed.
// settle is called once the repository mirrors the origin, before anybody else can push to it. A call that ended
// half-way may be repeated. Errors are else those of Fetch.
func (g *Git) MoveOut(ctx context.Context, project berth.ID, origin berth.Upstream, settle func(berth.Fetched) error) (found berth.Fetched, err error) {
	r, err := g.remote(origin)
	if err != nil {
		return berth.Fetched{}, err
	}
	if err := g.mustExist(project); err != nil {
		return berth.Fetched{}, err
	}
	err = g.writing(ctx, project, func(ctx context.Context) error {
		return g.connected(r, func(c *connection) error {
			c.field, c.pushes = "gitUrl", true
			err := g.pushOut(ctx, project, c)
			if err == nil {
				found.DefaultBranch, err = g.mirror(ctx, project, c)
			}
			found.HostKeys = c.hostKeys()
			if err != nil {
				return err
			}
			return settle(found)
		})
	})
	return found, err
}

// pushOut brings what the origin lacks of the repository's branches and tags there.
func (g *Git) pushOut(ctx context.Context, project berth.ID, c *connection) error {
	there, err := g.offered(ctx, c)
	if err != nil {
		return err
	}
	here, err := g.heads(ctx, project)
	if err != nil {
		return err
	}
	if err := g.fetchUnknown(ctx, project, c, here, there); err != nil {
		return err
	}
	descends := func(commit, from string) (bool, error) { return g.descends(ctx, project, commit, from) }
	refspecs, diverged, err := missing(here, there, descends)
	switch {
	case err != nil || len(diverged) == 0 && len(refspecs) == 0:
		return err
	case len(diverged) > 0:
		e := berth.Errorf(berth.EConflict, "%s has another history of %s, which Berth does not overwrite: bring both together, or delete it in one of the two places, then connect again",
			c.address, listed(diverged))
		e.Field, e.Err = c.field, berth.ErrDiverged
		return e
	}
	return g.push(ctx, project, c, refspecs)
}

// fetchUnknown brings the commits of those branches that both have, and of which the origin has others: only who has
// them knows whether one descends from the other.
func (g *Git) fetchUnknown(ctx context.Context, project berth.ID, c *connection, here, there heads) error {
	var unknown []string
	for name, ours := range here.branches {
		theirs, both := there.branches[name]
		if !both || theirs == ours {
			continue
		}
		known, err := g.Exists(ctx, project, theirs)
		if err != nil {
			return err
		}
		if !known {
			unknown = append(unknown, "refs/heads/"+name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return g.fetchInto(ctx, project, c, c.command(append([]string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", c.address}, unknown...)...))
}

// missing says what is pushed to an origin that lacks some of the branches and tags that are here, and which of them
// have another history there.
func missing(here, there heads, descends func(commit, from string) (bool, error)) (refspecs, diverged []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(here.branches)) {
		ours := here.branches[name]
		theirs, both := there.branches[name]
		grown, surpassed := !both, theirs == ours
		if both && !surpassed {
			if grown, err = descends(ours, theirs); err == nil && !grown {
				surpassed, err = descends(theirs, ours)
			}
		}
		switch {
		case err != nil:
			return nil, nil, err
		case grown:
			refspecs = append(refspecs, ours+":refs/heads/"+name)
		case !surpassed:
			diverged = append(diverged, "branch "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(here.tags)) {
		switch theirs, both := there.tags[name]; {
		case !both:
			refspecs = append(refspecs, here.tags[name]+":refs/tags/"+name)
		case theirs != here.tags[name]:
			diverged = append(diverged, "tag "+name)
		}
	}
	return refspecs, diverged, nil
}

// descends reports whether a commit has another one in its history.
func (g *Git) descends(ctx context.Context, project berth.ID, commit, from string) (bool, error) {
	err := g.run(ctx, command{repository: g.Dir(project), args: []string{"merge-base", "--is-ancestor", from, commit}})
	if f := (*failure)(nil); errors.As(err, &f) && f.exit() == 1 {
		return false, nil
	}
	return err == nil, err
}

// push brings all of it or nothing, where the origin knows how to.
func (g *Git) push(ctx context.Context, project berth.ID, c *connection, refspecs []string) error {
	said, err := g.pushes(ctx, project, c, refspecs, "--atomic")
	if f := (*failure)(nil); errors.As(err, &f) && strings.Contains(f.said, "does not support --atomic") {
		said, err = g.pushes(ctx, project, c, refspecs)
	}
	if err == nil {
		return nil
	}
	if ref, reason := rejection(said); ref != "" {
		e := berth.Errorf(berth.EConflict, "%s does not take %s: %s. Have it do so, or push it there yourself, then connect again", c.address, ref, reason)
		e.Field, e.Err = c.field, err
		return e
	}
	return c.explain(err)
}

func (g *Git) pushes(ctx context.Context, project berth.ID, c *connection, refspecs []string, options ...string) (said string, err error) {
	push := c.command(append(append(append([]string{"push", "--quiet", "--porcelain"}, options...), "--", c.address), refspecs...)...)
	push.repository = g.Dir(project)
	out, err := g.output(ctx, 64<<20, push)
	return string(out), err
}

// rejection finds what an origin does not take, in the lines of git push --porcelain: a flag, from:to, and a summary
// with the reason in parentheses. What is rejected only because something else is tells nothing.
func rejection(porcelain string) (ref, reason string) {
	for line := range strings.Lines(porcelain) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || fields[0] != "!" || strings.Contains(fields[2], "atomic") {
			continue
		}
		_, to, _ := strings.Cut(fields[1], ":")
		if branch, isBranch := strings.CutPrefix(to, "refs/heads/"); isBranch {
			to = "branch " + branch
		} else if tag, isTag := strings.CutPrefix(to, "refs/tags/"); isTag {
			to = "tag " + tag
		}
		return to, fields[2]
	}
	return "", ""
}
