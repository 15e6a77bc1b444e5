package control

import (
	"context"
	"fmt"
	"io"

	"github.com/berth-dev/berth"
)

// Deploy makes a release of a commit, fetching first where commits come from outside.
func (s *Service) Deploy(ctx context.Context, ref, commit string) (r berth.Release, err error) {
	var d berth.Deployment
	var p berth.Project
	err = s.view(ctx, func(tx Tx) error {
		if d, err = s.deployable(tx, ref); err != nil {
			return err
		}
		p, err = tx.ProjectByID(s.caller.Scope(), d.ProjectID)
		return err
	})
	if err != nil {
		return berth.Release{}, err
	}
	err = s.control.deploying(ctx, p, func() error {
		w, err := s.control.wanted(ctx, p, d, commit, s.control.revision)
		if err != nil {
			return err
		}
		return s.update(ctx, func(tx Tx) error {
			if d, err = s.deployable(tx, d.Slug); err != nil {
				return err
			}
			if err := s.keepStages(tx, Deploy, w.project); err != nil {
				return err
			}
			var begun bool
			if r, begun, err = w.begin(tx, d, "deploy"); err != nil || begun {
				return err
			}
			return s.event(tx, d, "", "release.created", fmt.Sprintf("release %d deploys %s", r.Revision, short(w.commit)))
		})
	})
	return r, err
}

// deploying runs fn, which looks where branches are and acts upon it, when the project's commits are here and
// nobody else does the same: who looked first must not act last.
func (c *Control) deploying(ctx context.Context, p berth.Project, fn func() error) error {
	if err := c.room(); err != nil {
		return err
	}
	if err := c.fetch(ctx, p); err != nil {
		return err
	}
	done, err := c.looks.Lock(ctx, p.ID)
	if err != nil {
		return err
	}
	defer done()
	return fn()
}

// wanted is a commit that a deployment shall run.
type wanted struct {
	project berth.Project // with the stages that it offers now
	commit  string
	newest  bool   // of branch
	branch  string // that the deployment followed when this was found out
}

// finder finds the commit that somebody names.
type finder func(ctx context.Context, p berth.Project, d berth.Deployment, rev string) (commit string, err error)

// wanted finds the commit to deploy, and refuses one that its stage does not take or whose project file does not parse.
func (c *Control) wanted(ctx context.Context, p berth.Project, d berth.Deployment, rev string, find finder) (w wanted, err error) {
	w = wanted{project: p, newest: rev == "", branch: d.Branch}
	if w.commit, err = find(ctx, p, d, rev); err != nil {
		return w, err
	}
	if _, _, err := c.stack(ctx, p, w.commit); err != nil {
		return w, err
	}
	w.project.Stages = c.stages(ctx, p)
	return w, c.admit(ctx, w.project, d, w.commit)
}

// begin makes the release, unless it has begun already: whoever moved the branch has it deployed.
func (w wanted) begin(tx Tx, d berth.Deployment, cause string) (r berth.Release, begun bool, err error) {
	if w.newest {
		if d.Branch != w.branch {
			return r, false, berth.Errorf(berth.EConflict, "%s follows %s since a moment ago, not %s: deploy it again", d.Slug, d.Branch, w.branch)
		}
		if err := tx.PutFollowed(d.ID, w.commit); err != nil {
			return r, false, err
		}
	}
	if r, begun, err = underWay(tx, d.ID, w.commit); err != nil || begun {
		return r, begun, err
	}
	r, err = tx.CreateRelease(newRelease(d, w.commit, cause))
	return r, false, err
}

// Rebuild makes a release of the commit that a deployment runs, whose images are all built anew.
func (s *Service) Rebuild(ctx context.Context, ref string) (r berth.Release, err error) {
	if err := s.mayBuild(ctx, ref); err != nil {
		return r, err
	}
	err = s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, Deploy, ref)
		if err != nil {
			return err
		}
		if r, err = rerelease(tx, d, berth.CauseRebuild); err != nil {
			return err
		}
		return s.event(tx, d, "", "release.created", fmt.Sprintf("release %d builds all images of %s anew", r.Revision, short(r.Commit)))
	})
	return r, err
}

// mayBuild tells nobody of the machine's disks who has no business with the deployment.
func (s *Service) mayBuild(ctx context.Context, ref string) error {
	if err := s.view(ctx, func(tx Tx) error { _, err := s.changeable(tx, Deploy, ref); return err }); err != nil {
		return err
	}
	return s.control.room()
}

func (s *Service) deployable(tx Tx, ref string) (berth.Deployment, error) {
	d, err := s.changeable(tx, Deploy, ref)
	if err == nil && d.Kind == berth.KindDevelopment {
		err = berth.Errorf(berth.EInvalid, "%s is a development deployment: it runs its working tree, not a commit. Change the files there (git pull in berth exec %s), or deploy to a build stage", d.Slug, d.Slug)
	}
	return d, err
}

func (c *Control) revision(ctx context.Context, p berth.Project, d berth.Deployment, rev string) (string, error) {
	if rev == "" {
		return c.branchHead(ctx, p, d.Branch)
	}
	if err := validateRevision("commit", rev); err != nil {
		return "", err
	}
	return c.Git.Resolve(ctx, p.ID, rev)
}

// rerelease makes a release of the commit that a deployment runs: the newest that has not failed.
func rerelease(tx Tx, d berth.Deployment, cause string) (berth.Release, error) {
	releases, err := tx.Releases(d.ID, 0)
	if err != nil {
		return berth.Release{}, err
	}
	if len(releases) == 0 {
		return berth.Release{}, fmt.Errorf("release %s again: it has no release", d.Slug)
	}
	commit := releases[0].Commit
	for _, r := range releases {
		if r.State != berth.ReleaseFailed {
			commit = r.Commit
			break
		}
	}
	return tx.CreateRelease(newRelease(d, commit, cause))
}

// Releases lists all of a deployment, newest first.
func (s *Service) Releases(ctx context.Context, ref string) (list []berth.Release, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, DeploymentRead, ref)
		if err != nil {
			return err
		}
		list, err = tx.Releases(d.ID, 0)
		list = s.control.asServed(list)
		return err
	})
	return list, err
}

// Builds lists those of a deployment, newest first.
func (s *Service) Builds(ctx context.Context, ref string) (list []berth.Build, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, BuildRead, ref)
		if err != nil {
			return err
		}
		list, err = tx.Builds(d.ID)
		return err
	})
	return list, err
}

// CancelBuild ends a build that waits or runs.
func (s *Service) CancelBuild(ctx context.Context, ref string, id berth.ID) error {
	return s.update(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, BuildCancel, ref)
		if err != nil {
			return err
		}
		b, err := tx.BuildOf(d.ID, id)
		if err != nil {
			return err
		}
		if b.State.Done() {
			return berth.Errorf(berth.EConflict, "build %s has %s already", b.ID, b.State)
		}
		b.State, b.Message, b.EndedAt = berth.BuildCancelled, "cancelled by "+s.caller.Name, tx.Now()
		if err := tx.UpdateBuild(b); err != nil {
			return err
		}
		return s.event(tx, d, b.Element, "build.cancelled", "the build of "+b.Element+" was cancelled")
	})
}

// BuildLog opens a build's log. Closing ctx ends a log that is followed, and so does that its reader may no longer.
func (s *Service) BuildLog(ctx context.Context, ref string, id berth.ID, follow bool) (io.ReadCloser, error) {
	var d berth.Deployment
	err := s.view(ctx, func(tx Tx) (err error) {
		if d, err = s.deployment(tx, BuildRead, ref); err != nil {
			return err
		}
		_, err = tx.BuildOf(d.ID, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &buildLog{
		ctx: ctx, follow: follow,
		open: func() (io.ReadCloser, error) { return s.control.BuildLogs.OpenBuildLog(id) },
		done: func() (done bool, err error) {
			err = s.view(ctx, func(tx Tx) error {
				if _, err := s.control.allowed(tx, s.caller, BuildRead, ref); err != nil {
					return err
				}
				b, err := tx.BuildOf(d.ID, id)
				done = b.State.Done()
				return err
			})
			return done, err
		},
	}, nil
}
