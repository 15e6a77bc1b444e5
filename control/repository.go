package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth"
)

// OpenRepository finds Berth's own repository of a project for somebody who clones or fetches, or pushes.
func (s *Service) OpenRepository(ctx context.Context, project string, push bool) (p berth.Project, err error) {
	verb := RepositoryRead
	if push {
		verb = RepositoryPush
	}
	err = s.view(ctx, func(tx Tx) error {
		p, err = s.project(tx, verb, project)
		return err
	})
	switch {
	case err != nil:
		return berth.Project{}, err
	case p.GitURL != "":
		return berth.Project{}, berth.Errorf(berth.EConflict, "project %s has its commits from %s: clone that, and push there", p.Name, p.GitURL)
	case push && p.Deleting:
		return berth.Project{}, berth.Errorf(berth.EConflict, "project %s is being deleted", p.Name)
	case push:
		err = s.control.room()
	}
	return p, err
}

// FollowBranch has a deployment of a build stage follow another branch, and deploys its newest commit.
func (s *Service) FollowBranch(ctx context.Context, ref, branch string) (d berth.Deployment, err error) {
	var p berth.Project
	err = s.view(ctx, func(tx Tx) error {
		if d, err = s.deployable(tx, ref); err != nil {
			return err
		}
		p, err = tx.ProjectByID(s.caller.Scope(), d.ProjectID)
		return err
	})
	if err != nil {
		return d, err
	}
	err = s.control.deploying(ctx, p, func() error {
		d, err = s.switchBranch(ctx, p, d, branch)
		return err
	})
	return d, err
}

func (s *Service) switchBranch(ctx context.Context, p berth.Project, d berth.Deployment, branch string) (berth.Deployment, error) {
	head, err := s.control.branchHead(ctx, p, branch)
	if err != nil {
		return d, err
	}
	if _, _, err := s.control.stack(ctx, p, head); err != nil {
		return d, err
	}
	p.Stages = s.control.stages(ctx, p)
	stage, err := offered(p.Stages, d.Stage)
	if err == nil && !stage.Takes(branch) {
		err = invalid("branch", fmt.Sprintf("stage %s takes the branch %s, not %s", stage.Identifier, stage.Branch, branch))
	}
	if err != nil {
		return d, err
	}
	return s.change(ctx, Deploy, d.Slug, func(tx Tx, d *berth.Deployment) error {
		if d.Branch == branch {
			return nil
		}
		before := d.Branch
		d.Branch = branch
		if err := tx.PutFollowed(d.ID, head); err != nil {
			return err
		}
		if _, err := tx.CreateRelease(newRelease(*d, head, "branch")); err != nil {
			return err
		}
		return s.event(tx, *d, "", "branch.changed", fmt.Sprintf("%s follows %s now, not %s", d.Slug, branch, before))
	})
}

// ProtectBranch has pushes neither rewrite nor delete a branch of the project's own repository, or, unprotected,
// again let them.
func (s *Service) ProtectBranch(ctx context.Context, project, branch string, protect bool) (p berth.Project, err error) {
	if err := validateRevision("branch", branch); err != nil {
		return p, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if p, err = s.project(tx, BranchProtect, project); err != nil {
			return err
		}
		if p.GitURL != "" {
			return berth.Errorf(berth.EConflict, "project %s has its commits from %s, where its branches are protected", p.Name, p.GitURL)
		}
		without := slices.DeleteFunc(slices.Clone(p.Protected), func(b string) bool { return b == branch })
		did := "is no longer protected"
		if protect {
			without, did = append(without, branch), "is protected: no push rewrites or deletes it"
			slices.Sort(without)
		}
		if slices.Equal(without, p.Protected) {
			return nil
		}
		p.Protected = without
		if err := tx.UpdateProject(p); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: "branch.protected", Message: fmt.Sprintf("branch %s of %s %s", branch, p.Name, did)})
	})
	return p, err
}

// keepProjectStages stores the stages that were found out for a project.
func (c *Control) keepProjectStages(tx Tx, found berth.Project) error {
	p, err := tx.ProjectByID(berth.Everything(), found.ID)
	if err != nil || slices.Equal(p.Stages, found.Stages) {
		return err
	}
	p.Stages = found.Stages
	return tx.UpdateProject(p)
}
