package control

import (
	"context"
	"io"

	"github.com/berth-dev/berth"
)

// CreateProject makes the repository first and the row last, so that a source that cannot be read
// leaves nothing behind.
func (s *Service) CreateProject(ctx context.Context, p berth.NewProject) (berth.Project, error) {
	if err := s.mayCreateProject(ctx, p); err != nil {
		return berth.Project{}, err
	}
	if err := s.control.room(); err != nil {
		return berth.Project{}, err
	}
	project := berth.Project{ID: berth.NewID(), Name: p.Name, GitURL: p.GitURL}
	defer s.control.making.begin(project.ID)()
	err := s.makeProject(ctx, &project, &keys{token: p.GitToken, newToken: !p.GitToken.Empty()})
	if err != nil {
		_ = s.control.Git.Remove(context.WithoutCancel(ctx), project.ID) // what stays is collected as nobody's
		return berth.Project{}, err
	}
	return project, nil
}

func (s *Service) mayCreateProject(ctx context.Context, p berth.NewProject) error {
	if err := berth.ValidateName("name", p.Name); err != nil {
		return err
	}
	if p.GitURL != "" {
		if err := validateGitURL(p.GitURL, p.GitToken); err != nil {
			return err
		}
	} else if !p.GitToken.Empty() {
		return invalid("gitToken", "a Git token needs a Git URL")
	}
	return s.view(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, ProjectCreate, ""); err != nil {
			return err
		}
		switch _, err := tx.Project(berth.Everything(), p.Name); berth.CodeOf(err) {
		case "":
			return berth.Errorf(berth.EConflict, "there is a project named %s already", p.Name)
		case berth.ENotFound:
			return nil
		default:
			return err
		}
	})
}

func (s *Service) makeProject(ctx context.Context, p *berth.Project, k *keys) error {
	if err := s.control.obtain(ctx, p, k); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		p.CreatedAt = tx.Now()
		secrets, err := s.control.seal(p, *k)
		if err != nil {
			return err
		}
		if err := tx.CreateProject(*p); err != nil {
			return err
		}
		if err := secrets.put(tx, p.ID); err != nil {
			return err
		}
		if err := tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: "project.created", Message: "project " + p.Name + " was created"}); err != nil {
			return err
		}
		return tellAccess(tx, s.caller.Name, berth.Project{ID: p.ID}, *p)
	})
}

// obtain makes the project's repository and says its default branch and stages.
func (c *Control) obtain(ctx context.Context, p *berth.Project, k *keys) error {
	p.Stages = berth.DefaultStages()
	if p.GitURL == "" {
		p.DefaultBranch = "main"
		return c.Git.Init(ctx, p.ID)
	}
	return c.reach(ctx, p, k, nil)
}

// ImportRepository brings the commits of a bundle into the project's own repository.
func (s *Service) ImportRepository(ctx context.Context, project string, bundle io.Reader) (p berth.Project, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err = s.project(tx, ProjectImport, project)
		return err
	})
	if err != nil {
		return berth.Project{}, err
	}
	if err := s.control.room(); err != nil {
		return berth.Project{}, err
	}
	if err := mustBeOwn(p); err != nil {
		return berth.Project{}, err
	}
	imported := p
	if imported.DefaultBranch, err = s.control.Git.Import(ctx, p.ID, bundle); err != nil {
		return berth.Project{}, err
	}
	imported.Stages = s.control.stages(ctx, imported)
	err = s.update(ctx, func(tx Tx) error {
		if p, err = s.project(tx, ProjectImport, project); err != nil {
			return err
		}
		if err := mustBeOwn(p); err != nil { // it moved out meanwhile, and its next look there brings back what is there
			return err
		}
		p.DefaultBranch, p.Stages = imported.DefaultBranch, imported.Stages
		if err := tx.UpdateProject(p); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: "project.imported", Message: "new commits came into " + p.Name})
	})
	if err == nil && s.control.Moved != nil {
		s.control.Moved(p.ID)
	}
	return p, err
}

// mustBeOwn refuses commits that are brought to a project whose commits come from elsewhere.
func mustBeOwn(p berth.Project) error {
	if p.GitURL == "" {
		return nil
	}
	return berth.Errorf(berth.EInvalid, "project %s comes from %s: push there, then berth deploy", p.Name, p.GitURL)
}

// Projects lists what the caller may see.
func (s *Service) Projects(ctx context.Context) (list []berth.Project, err error) {
	err = s.view(ctx, func(tx Tx) error {
		list, err = tx.Projects(s.caller.Scope())
		return err
	})
	return list, err
}

// Project finds one by name.
func (s *Service) Project(ctx context.Context, project string) (p berth.Project, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err = s.project(tx, ProjectRead, project)
		return err
	})
	return p, err
}

// RenameProject changes the name only: slugs, hosts and the repository stay.
func (s *Service) RenameProject(ctx context.Context, project, name string) (p berth.Project, err error) {
	if err := berth.ValidateName("name", name); err != nil {
		return berth.Project{}, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if p, err = s.project(tx, ProjectRename, project); err != nil {
			return err
		}
		p.Name = name
		if err := tx.UpdateProject(p); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: "project.renamed", Message: "project " + project + " is now named " + name})
	})
	return p, err
}

// DeleteProject removes a project that has no deployments. Its repository is then nobody's, and collected.
func (s *Service) DeleteProject(ctx context.Context, project string) error {
	return s.update(ctx, func(tx Tx) error {
		p, err := s.project(tx, ProjectDelete, project)
		if err != nil {
			return err
		}
		deployments, err := tx.Deployments(berth.Everything(), p.ID)
		if err != nil {
			return err
		}
		if len(deployments) > 0 {
			slugs := make([]string, len(deployments))
			for i, d := range deployments {
				slugs[i] = d.Slug
			}
			return berth.Errorf(berth.EConflict, "project %s still has deployments: delete %s first", p.Name, listed(slugs))
		}
		if err := tx.DeleteProject(p.ID); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: "project.deleted", Message: "project " + p.Name + " was deleted"})
	})
}
