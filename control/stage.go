package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth"
)

// stages are those a project offers: what the file on its default branch declares, else what it offered
// before. Other branches have no say, or one could let itself into a stage that is not for it.
func (c *Control) stages(ctx context.Context, p berth.Project) []berth.Stage {
	commit, err := c.Git.Resolve(ctx, p.ID, "refs/heads/"+p.DefaultBranch)
	if err != nil {
		return p.Stages
	}
	s, known, err := c.stack(ctx, p, commit)
	if err != nil || !known {
		return p.Stages
	}
	if len(s.Stages) == 0 {
		return berth.DefaultStages()
	}
	return s.Stages
}

// keepStages stores the stages that a project turned out to offer, for a caller who may apply verb to it.
func (s *Service) keepStages(tx Tx, verb Verb, found berth.Project) error {
	p, err := s.project(tx, verb, found.Name)
	if err != nil || slices.Equal(p.Stages, found.Stages) {
		return err
	}
	p.Stages = found.Stages
	return tx.UpdateProject(p)
}

// enter puts a deployment into the stage that it names, which decides what is left open.
func enter(d *berth.Deployment, p berth.Project) error {
	stage, err := offered(p.Stages, d.Stage)
	if err != nil {
		return err
	}
	d.Kind = stage.Kind
	d.Size = cmp.Or(d.Size, stage.Size, berth.DefaultSize)
	d.Branch = cmp.Or(d.Branch, stage.DefaultBranch(p.DefaultBranch))
	if _, ok := berth.LimitsOf(d.Size); !ok {
		return invalid("size", fmt.Sprintf("there is no size %q: choose S, M, L or XL", d.Size))
	}
	if !stage.Takes(d.Branch) {
		return invalid("branch", fmt.Sprintf("stage %s takes the branch %s, not %s: choose such a branch with --branch, or another stage", stage.Identifier, stage.Branch, d.Branch))
	}
	return nil
}

// admit refuses a commit that is on none of the branches that the deployment's stage takes: the rule would be
// worth nothing if a commit could go around it. A deployment keeps the branch that it was made with.
func (c *Control) admit(ctx context.Context, p berth.Project, d berth.Deployment, commit string) error {
	stage, err := offered(p.Stages, d.Stage)
	if err != nil || stage.Branch == "" { // a stage that is not declared any more has no rule
		return nil
	}
	branches, err := c.Git.Holders(ctx, p.ID, commit)
	if err != nil || slices.ContainsFunc(branches, func(b string) bool { return b == d.Branch || stage.Takes(b) }) {
		return err
	}
	return invalid("commit", fmt.Sprintf("stage %s takes the branch %s, and commit %s is on no such branch: merge it there first", stage.Identifier, stage.Branch, short(commit)))
}

// offered finds a stage by its identifier, and names those there are when it is none of them.
func offered(stages []berth.Stage, identifier string) (berth.Stage, error) {
	names := make([]string, len(stages))
	for i, s := range stages {
		if s.Identifier == identifier {
			return s, nil
		}
		names[i] = s.Identifier
	}
	return berth.Stage{}, invalid("stage", fmt.Sprintf("there is no stage %q: choose one of %s", identifier, listed(names)))
}
