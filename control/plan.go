package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// Plan compares the project file of a working tree with what its deployment runs.
func (s *Service) Plan(ctx context.Context, ref string) (plan berth.Plan, err error) {
	d, err := s.planned(ctx, DeploymentRead, ref)
	if err != nil {
		return berth.Plan{}, err
	}
	saved := s.control.savedStack(ctx, d)
	if saved.problem != nil {
		return berth.Plan{}, saved.problem
	}
	err = s.view(ctx, func(tx Tx) error {
		applied, err := mustBeApplied(tx, d)
		if err == nil {
			plan = stackfile.Compare(applied, saved.stack)
		}
		return err
	})
	return plan, err
}

// Apply makes the release that carries the saved project file out.
func (s *Service) Apply(ctx context.Context, ref string) (berth.Applied, error) {
	d, err := s.planned(ctx, DeploymentApply, ref)
	if err != nil {
		return berth.Applied{}, err
	}
	saved := s.control.savedStack(ctx, d)
	if saved.problem != nil {
		return berth.Applied{}, saved.problem
	}
	done := berth.Applied{Slug: d.Slug}
	err = s.update(ctx, func(tx Tx) error {
		if d, err = s.changeable(tx, DeploymentApply, d.Slug); err != nil {
			return err
		}
		applied, err := mustBeApplied(tx, d)
		if err != nil {
			return err
		}
		if done.Plan = stackfile.Compare(applied, saved.stack); done.Plan.Empty() {
			return nil
		}
		r, err := releaseStack(tx, d, saved.stack, "apply")
		if err != nil {
			return err
		}
		done.Revision = r.Revision
		return s.event(tx, d, "", "plan.applied", fmt.Sprintf("release %d applies %s: %s", r.Revision, projectFile, done.Plan))
	})
	return done, err
}

// planned finds a deployment that has a working tree.
func (s *Service) planned(ctx context.Context, verb Verb, ref string) (d berth.Deployment, err error) {
	err = s.view(ctx, func(tx Tx) error {
		if d, err = s.changeable(tx, verb, ref); err == nil && d.Kind != berth.KindDevelopment {
			err = berth.Errorf(berth.EInvalid, "%s is no development deployment: its %s follows the commit. Push the change, then berth deploy %s", d.Slug, projectFile, d.Slug)
		}
		return err
	})
	return d, err
}

// savedFile is what a working tree's project file says, or what is wrong with it.
type savedFile struct {
	hash    string
	stack   *stackfile.Project
	problem error
}

// savedStack reads the project file of a working tree. Its content is anybody's: what cannot be used is a
// problem for people, and no failure of ours.
func (c *Control) savedStack(ctx context.Context, d berth.Deployment) (f savedFile) {
	if c.SavedFile == nil {
		return savedFile{problem: berth.Errorf(berth.EUnsupported, "this server does not look into working trees")}
	}
	data, err := c.SavedFile(ctx, d.ID)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = c.keptFile(ctx, d)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.problem = berth.Errorf(berth.EInvalid, "the working tree of %s has no %s in its top directory; what runs stays as it is", d.Slug, projectFile)
	case err != nil:
		f.problem = err
	default:
		f.stack, _, f.problem = stackfile.ParseProject(projectFile, data)
	}
	if f.problem != nil {
		data = append(data, f.problem.Error()...)
	}
	sum := sha256.Sum256(data)
	f.hash = hex.EncodeToString(sum[:])
	return f
}

// keptFile is the project file that is kept for a project whose repository has none.
func (c *Control) keptFile(ctx context.Context, d berth.Deployment) (data []byte, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		kept, ok, err := tx.ProjectFile(d.ProjectID)
		if err == nil && !ok {
			err = fs.ErrNotExist
		}
		data = []byte(kept.Text)
		return err
	})
	return data, err
}

// appliedStack is what a deployment is made of now. ready is false while its first release is on its way
// to find out, and before there is a whole working tree. A deployment whose every release failed is made of nothing.
func appliedStack(tx Tx, d berth.Deployment) (stack *stackfile.Project, ready bool, err error) {
	volumes, err := tx.Volumes(d.ID)
	if err != nil || !berth.HasCode(volumes) {
		return nil, false, err
	}
	text, ok, err := tx.Stack(d.ID)
	if err != nil {
		return nil, false, err
	}
	if ok {
		stack, err = stackfile.Decode(text)
		return stack, err == nil, err
	}
	newest, err := tx.Releases(d.ID, 1)
	failed := len(newest) > 0 && newest[0].State == berth.ReleaseFailed
	return &stackfile.Project{}, failed, err
}

func mustBeApplied(tx Tx, d berth.Deployment) (*stackfile.Project, error) {
	stack, ready, err := appliedStack(tx, d)
	if err == nil && !ready {
		err = berth.Errorf(berth.EConflict, "%s is still being prepared and reads %s as it goes: wait for it with berth wait %s", d.Slug, projectFile, d.Slug)
	}
	return stack, err
}

// releaseStack makes a release of a stack, on the commit that the deployment runs.
func releaseStack(tx Tx, d berth.Deployment, stack *stackfile.Project, cause string) (berth.Release, error) {
	text, err := stack.Encode()
	if err != nil {
		return berth.Release{}, err
	}
	r, err := rerelease(tx, d, cause)
	if err != nil {
		return berth.Release{}, err
	}
	return r, tx.PutStack(r.ID, text)
}
