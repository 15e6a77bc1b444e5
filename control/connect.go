package control

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/berth-dev/berth"
)

// ConnectProject tries the new way in before anything is stored: a wrong URL or token changes nothing.
func (s *Service) ConnectProject(ctx context.Context, project string, n berth.Connection) (p berth.Project, err error) {
	if n.GitURL != "" {
		if err := validateGitURL(n.GitURL, n.GitToken); err != nil {
			return berth.Project{}, err
		}
	}
	err = s.view(ctx, func(tx Tx) error {
		p, err = s.project(tx, ProjectConnect, project)
		return err
	})
	if err != nil {
		return berth.Project{}, err
	}
	k, err := s.control.rewire(ctx, &p, n)
	if err != nil {
		return berth.Project{}, err
	}
	if err := s.control.reach(ctx, &p, &k); err != nil {
		return berth.Project{}, err
	}
	err = s.update(ctx, func(tx Tx) error {
		p, err = s.rewired(tx, project, p, k)
		return err
	})
	return p, err
}

// rewire writes into p what the connection changes, and returns what then opens the origin.
func (c *Control) rewire(ctx context.Context, p *berth.Project, n berth.Connection) (keys, error) {
	if p.GitURL == "" {
		return keys{token: n.GitToken, newToken: !n.GitToken.Empty()}, c.mayMirror(ctx, p, n)
	}
	k, err := c.keysOf(ctx, *p)
	if err != nil {
		return keys{}, err
	}
	if n.GitURL != "" && n.GitURL != p.GitURL { // forges take a deploy key for one repository only
		p.GitURL, p.GitToken, p.DeployKey, p.Access, k = n.GitURL, "", "", berth.Access{}, keys{}
	}
	if n.AcceptHostKey {
		p.Access.HostKeys = nil
	}
	if !n.GitToken.Empty() {
		k.token, k.newToken = n.GitToken, true
	}
	return k, validateGitURL(p.GitURL, k.token)
}

// mayMirror lets a project without commits get an origin: those of a mirror replace what there is.
func (c *Control) mayMirror(ctx context.Context, p *berth.Project, n berth.Connection) error {
	if n.GitURL == "" {
		return invalid("gitUrl", "project "+p.Name+" has Berth's own repository; say which one to read with --git URL")
	}
	branches, err := c.Git.Branches(ctx, p.ID)
	if err == nil && len(branches) > 0 {
		err = berth.Errorf(berth.EConflict, "project %s has commits of its own, which those of %s would replace: make another project of that URL", p.Name, n.GitURL)
	}
	p.GitURL = n.GitURL
	return err
}

// rewired stores the new way in of a project that may have been renamed meanwhile.
func (s *Service) rewired(tx Tx, project string, wanted berth.Project, k keys) (berth.Project, error) {
	before, err := s.project(tx, ProjectConnect, project)
	if err != nil {
		return berth.Project{}, err
	}
	now := before
	now.GitURL, now.GitToken, now.DeployKey, now.Access = wanted.GitURL, wanted.GitToken, wanted.DeployKey, wanted.Access
	now.DefaultBranch, now.Stages = wanted.DefaultBranch, wanted.Stages
	secrets, err := s.control.seal(&now, k)
	if err != nil {
		return berth.Project{}, err
	}
	if err := secrets.put(tx, now.ID); err != nil {
		return berth.Project{}, err
	}
	if err := tx.UpdateProject(now); err != nil {
		return berth.Project{}, err
	}
	if err := tx.PutReportOutcome(now.ID, ""); err != nil {
		return berth.Project{}, err
	}
	if err := tx.ReportAgain(now.ID); err != nil {
		return berth.Project{}, err
	}
	if before.Access.Waiting == "" && now.Access.Waiting == "" { // tellAccess sees no difference
		err = tx.AppendEvent(berth.Event{Project: now.ID, Person: s.caller.Name, Kind: "project.connected", Message: "project " + now.Name + " reads " + now.GitURL})
	}
	return now, errors.Join(err, tellAccess(tx, s.caller.Name, before, now))
}

// Waiting lists the projects whose origin cannot be read yet.
func (c *Control) Waiting(ctx context.Context) (ids []berth.ID, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		all, err := tx.Projects(berth.Everything())
		for _, p := range all {
			if p.Access.Waiting != "" && !p.Deleting {
				ids = append(ids, p.ID)
			}
		}
		return err
	})
	return ids, err
}

// TryOrigin looks whether the origin of a waiting project can be read now, and says when to look again.
func (c *Control) TryOrigin(ctx context.Context, id berth.ID) (again time.Duration, err error) {
	var before berth.Project
	err = c.Store.View(ctx, func(tx Tx) (err error) {
		before, err = tx.ProjectByID(berth.Everything(), id)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound || (err == nil && before.Access.Waiting == "") {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	k, err := c.keysOf(ctx, before)
	if err != nil {
		return 0, err
	}
	now := before
	if err := c.take(ctx, &now, k); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return 0, cause
		}
		now.Access.Waiting, now.Access.Obstacle = berth.MessageOf(withoutField(err)), obstacle(err)
	}
	return c.patience(before), c.learnt(ctx, before, now)
}

func obstacle(err error) berth.Obstacle {
	switch {
	case errors.Is(err, berth.ErrRefused):
		return berth.ObstacleRefused
	case errors.Is(err, berth.ErrHostKey):
		return berth.ObstacleHostKey
	}
	return berth.ObstacleUnreachable
}

// patience grows: somebody who just made a project is about to add its key.
func (c *Control) patience(p berth.Project) time.Duration {
	switch waited := c.Now().Sub(p.CreatedAt); {
	case waited < 15*time.Minute:
		return 3 * time.Second
	case waited < time.Hour:
		return 30 * time.Second
	}
	return 5 * time.Minute
}

// learnt stores what a try found out, unless the project was connected elsewhere meanwhile.
func (c *Control) learnt(ctx context.Context, before, now berth.Project) error {
	if reflect.DeepEqual(before, now) {
		return nil
	}
	return c.Store.Update(ctx, func(tx Tx) error {
		p, err := tx.ProjectByID(berth.Everything(), before.ID)
		if berth.CodeOf(err) == berth.ENotFound || (err == nil && (p.GitURL != before.GitURL || !reflect.DeepEqual(p.Access, before.Access))) {
			return nil
		}
		if err != nil {
			return err
		}
		p.Access, p.DefaultBranch, p.Stages = now.Access, now.DefaultBranch, now.Stages
		if err := tx.UpdateProject(p); err != nil {
			return err
		}
		return tellAccess(tx, "", before, p)
	})
}
