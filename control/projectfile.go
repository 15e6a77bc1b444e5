package control

import (
	"context"
	"errors"
	"io/fs"
	"reflect"

	"github.com/berth-dev/berth"
)

// Tree is what a commit holds, for who proposes a project file.
type Tree interface {
	// List names what is in a folder ("" is the top), folders with a slash behind.
	List(dir string) ([]string, error)
	// Read returns a regular file of at most max bytes. Links are not followed.
	Read(name string, max int64) ([]byte, error)
}

// commitTree is a commit of a project's repository.
type commitTree struct {
	ctx     context.Context
	git     Git
	project berth.ID
	commit  string
}

func (t commitTree) List(dir string) ([]string, error) {
	return t.git.List(t.ctx, t.project, t.commit, dir)
}

func (t commitTree) Read(name string, max int64) ([]byte, error) {
	return t.git.ReadFile(t.ctx, t.project, t.commit, name, max)
}

// fileAt is the project file that counts for a commit: the commit's own, else the kept one. It has no
// origin where there is neither.
func (c *Control) fileAt(ctx context.Context, p berth.Project, commit string) (f berth.ProjectFile, err error) {
	data, err := c.Git.ReadFile(ctx, p.ID, commit, projectFile, maxProjectFile)
	if err == nil {
		return berth.ProjectFile{Origin: berth.FileCommitted, Commit: commit, Text: string(data)}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	err = c.Store.View(ctx, func(tx Tx) error {
		f, _, err = tx.ProjectFile(p.ID)
		return err
	})
	f.Commit = commit
	return f, err
}

// fileOnBranch is fileAt for the newest commit of a branch.
func (c *Control) fileOnBranch(ctx context.Context, p berth.Project, branch string) (f berth.ProjectFile, err error) {
	if branch == "" {
		branch = p.DefaultBranch
	}
	commit, err := c.branchHead(ctx, p, branch)
	if err != nil {
		return f, err
	}
	f, err = c.fileAt(ctx, p, commit)
	f.Branch = branch
	return f, err
}

// ProjectFile shows the file that counts at a branch.
func (s *Service) ProjectFile(ctx context.Context, project, branch string) (berth.ProjectFile, error) {
	p, err := s.projectFor(ctx, ProjectRead, project)
	if err != nil {
		return berth.ProjectFile{}, err
	}
	return s.control.fileOnBranch(ctx, p, branch)
}

func (s *Service) projectFor(ctx context.Context, verb Verb, project string) (p berth.Project, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err = s.project(tx, verb, project)
		return err
	})
	return p, err
}

// ProposeProjectFile makes and keeps a proposal, unless there is a file that somebody wrote.
func (s *Service) ProposeProjectFile(ctx context.Context, project, branch string) (f berth.ProjectFile, err error) {
	p, err := s.projectFor(ctx, ProjectDescribe, project)
	if err != nil {
		return f, err
	}
	if err := s.control.fetch(ctx, p); err != nil {
		return f, err
	}
	if f, err = s.control.fileOnBranch(ctx, p, branch); err != nil {
		return f, err
	}
	if f.Origin == berth.FileCommitted || f.Origin == berth.FileWritten {
		_, _, err = s.control.stack(ctx, p, f.Commit)
		return f, err
	}
	proposed, err := s.control.propose(ctx, p, f)
	if err != nil || reflect.DeepEqual(proposed, f) {
		return f, err
	}
	return s.keepFile(ctx, p, proposed, "project.proposed", "Berth proposed a "+projectFile+" for "+p.Name+" at "+short(f.Commit))
}

// propose is what Berth would write for the commit of a file that is not there.
func (c *Control) propose(ctx context.Context, p berth.Project, f berth.ProjectFile) (berth.ProjectFile, error) {
	if c.Propose == nil {
		return f, berth.Errorf(berth.EUnsupported, "this server proposes no %s: add one to the repository", projectFile)
	}
	text, notes, err := c.Propose(commitTree{ctx, c.Git, p.ID, f.Commit})
	if err != nil {
		return f, err
	}
	f.Origin, f.Text, f.Notes = berth.FileProposed, text, notes
	return f, nil
}

// SetProjectFile keeps a file that a person wrote.
func (s *Service) SetProjectFile(ctx context.Context, project, text string) (f berth.ProjectFile, err error) {
	p, err := s.projectFor(ctx, ProjectDescribe, project)
	if err != nil {
		return f, err
	}
	if f, err = s.control.fileOnBranch(ctx, p, ""); err != nil {
		return f, err
	}
	if f.Origin == berth.FileCommitted {
		return f, berth.Errorf(berth.EConflict, "the branch %s of %s has a %s of its own, which goes before any that Berth keeps: change it there", f.Branch, p.Name, projectFile)
	}
	if s.control.ReadStack != nil {
		if _, err := s.control.ReadStack(projectFile, []byte(text)); err != nil {
			return f, err
		}
	}
	f.Origin, f.Text, f.Notes = berth.FileWritten, text, nil
	return s.keepFile(ctx, p, f, "project.described", "the "+projectFile+" that Berth keeps for "+p.Name+" was replaced")
}

// keepFile stores a file with the stages that it offers.
func (s *Service) keepFile(ctx context.Context, p berth.Project, f berth.ProjectFile, kind, message string) (berth.ProjectFile, error) {
	stages, err := s.control.stagesWith(ctx, p, f)
	if err != nil {
		return f, err
	}
	err = s.update(ctx, func(tx Tx) (err error) {
		if p, err = s.project(tx, ProjectDescribe, p.Name); err != nil {
			return err
		}
		p.Stages = stages
		if err := tx.UpdateProject(p); err != nil {
			return err
		}
		f.ChangedAt = tx.Now()
		if err := tx.PutProjectFile(p.ID, f); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: kind, Message: message})
	})
	return f, err
}

// stagesWith are those that a project offers once a file is kept for it: the file's, unless the default branch
// has one of its own.
func (c *Control) stagesWith(ctx context.Context, p berth.Project, kept berth.ProjectFile) ([]berth.Stage, error) {
	if c.ReadStack == nil {
		return berth.DefaultStages(), nil
	}
	stack, err := c.ReadStack(projectFile, []byte(kept.Text))
	if err != nil {
		return nil, err
	}
	if own, err := c.fileOnBranch(ctx, p, ""); err == nil && own.Origin == berth.FileCommitted {
		return p.Stages, nil
	}
	if len(stack.Stages) == 0 {
		return berth.DefaultStages(), nil
	}
	return stack.Stages, nil
}
