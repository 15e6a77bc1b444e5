package control

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

const (
	// projectFile is where a stack is written down.
	projectFile = "diploi.yaml"
	// maxProjectFile is far more than any stack needs.
	maxProjectFile = 1 << 20
)

func invalid(field, message string) error {
	return &berth.Error{Code: berth.EInvalid, Field: field, Message: message}
}

var revisionPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/@+#=-]*$`)

// validateRevision lets branch names, tags and commits through, and nothing that Git reads as an
// option or an expression.
func validateRevision(field, rev string) error {
	if len(rev) > 200 || !revisionPattern.MatchString(rev) || strings.Contains(rev, "..") || strings.Contains(rev, "@{") {
		return invalid(field, "this is not the name of a branch or a commit")
	}
	return nil
}

// fetch brings a project's commits up to date where they come from outside.
func (c *Control) fetch(ctx context.Context, p berth.Project) error {
	switch {
	case p.GitURL == "":
		return nil
	case p.Access.Waiting != "":
		return berth.Errorf(berth.EConflict, "project %s waits for access to %s: berth project show %s says how to give it", p.Name, p.GitURL, p.Name)
	}
	keys, err := c.keysOf(ctx, p)
	if err != nil {
		return err
	}
	_, err = c.Git.Fetch(ctx, p.ID, keys.upstream(p))
	return err
}

// branchHead resolves a branch, and names the branches there are when it is none of them.
func (c *Control) branchHead(ctx context.Context, p berth.Project, branch string) (commit string, err error) {
	branches, err := c.Git.Branches(ctx, p.ID)
	switch {
	case err != nil:
		return "", err
	case len(branches) == 0:
		return "", berth.Errorf(berth.EInvalid, "project %s has no commits yet: bring some with berth project update %s --dir DIR", p.Name, p.Name)
	}
	if err := validateRevision("branch", branch); err != nil {
		return "", err
	}
	if !slices.Contains(branches, branch) {
		return "", invalid("branch", "project "+p.Name+" has no branch "+branch+"; it has "+listed(branches))
	}
	return c.Git.Resolve(ctx, p.ID, "refs/heads/"+branch)
}

// stack reads the project file that counts for a commit. known is false where nobody can read project files.
func (c *Control) stack(ctx context.Context, p berth.Project, commit string) (s Stack, known bool, err error) {
	if c.ReadStack == nil {
		return Stack{}, false, nil
	}
	f, err := c.fileAt(ctx, p, commit)
	if err != nil {
		return Stack{}, false, err
	}
	if f.Origin == "" {
		return Stack{}, false, berth.Errorf(berth.EInvalid, "commit %s of %s has no %s in its top directory: add one that lists the components and add-ons, or let berth up propose one", short(commit), p.Name, projectFile)
	}
	s, err = c.ReadStack(projectFile, []byte(f.Text))
	return s, err == nil, err
}

func short(commit string) string { return commit[:min(len(commit), 8)] }

// listed writes a short list for people.
func listed(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
