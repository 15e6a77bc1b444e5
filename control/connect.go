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
	moved := false
	store := func() error {
		return s.update(ctx, func(tx Tx) error {
			p, err = s.rewired(tx, project, p, k, moved)
			return err
		})
	}
	err = s.control.reach(ctx, &p, &k, func() error { moved = true; return store() })
	if err == nil && !moved {
		err = store()
	}
	if err != nil {
		return berth.Project{}, err
	}
	return p, nil
}

// rewire writes into p what the connection changes, and returns what then opens the origin.
func (c *Control) rewire(ctx context.Context, p *berth.Project, n berth.Connection) (keys, error) {
	before := p.Origin()
	if before == "" && n.GitURL == "" {
		return keys{}, invalid("gitUrl", "project "+p.Name+" has Berth's own repository; say where it moves to with --git URL")
	}
	k, err := c.keysOf(ctx, *p)
	if err != nil {
		return keys{}, err
	}
	if n.GitURL != "" && n.GitURL != before { // forges take a deploy key for one repository only
		p.GitToken, p.DeployKey, p.Access, k = "", "", berth.Access{}, keys{}
		if err := c.lead(ctx, p, n.GitURL); err != nil {
			return keys{}, err
		}
	}
	if n.AcceptHostKey {
		p.Access.HostKeys = nil
	}
	if !n.GitToken.Empty() {
		k.token, k.newToken = n.GitToken, true
	}
	return k, validateGitURL(p.Origin(), k.token)
}

// lead has a project read another origin, to which the commits of an own repository move first: those of a mirror
// replace what there is.
func (c *Control) lead(ctx context.Context, p *berth.Project, url string) error {
	if p.GitURL == "" {
		branches, err := c.Git.Branches(ctx, p.ID)
		if err != nil {
			return err
		}
		if len(branches) > 0 {
			p.Access.MovesTo = url
			return nil
		}
	}
	p.GitURL = url
	return nil
}

// rewired stores the new way in of a project that may have been renamed meanwhile.
func (s *Service) rewired(tx Tx, project string, wanted berth.Project, k keys, moved bool) (berth.Project, error) {
	before, err := s.project(tx, ProjectConnect, project)
	if err != nil {
		return berth.Project{}, err
	}
	now := before
	now.GitToken, now.DeployKey = wanted.GitToken, wanted.DeployKey
	reads(&now, wanted)
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
		err = tx.AppendEvent(berth.Event{Project: now.ID, Person: s.caller.Name, Kind: "project.connected", Message: connected(now, moved)})
	}
	return now, errors.Join(err, tellAccess(tx, s.caller.Name, before, now))
}

// reads writes into p what was found out of where its commits come from.
func reads(p *berth.Project, found berth.Project) {
	p.GitURL, p.Access, p.DefaultBranch, p.Stages = found.GitURL, found.Access, found.DefaultBranch, found.Stages
	if p.GitURL != "" {
		p.Protected = nil // that is done where they are pushed to
	}
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
	moved := false
	store := func() error { return c.learnt(ctx, before, now) }
	err = c.take(ctx, &now, k, func() error { moved = true; return store() })
	if moved {
		return 0, err
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return 0, cause
		}
		now.Access.Waiting, now.Access.Obstacle = berth.MessageOf(withoutField(err)), obstacle(err)
	}
	return c.patience(before), store()
}

func obstacle(err error) berth.Obstacle {
	switch {
	case errors.Is(err, berth.ErrRefused):
		return berth.ObstacleRefused
	case errors.Is(err, berth.ErrHostKey):
		return berth.ObstacleHostKey
	case errors.Is(err, berth.ErrDiverged):
		return berth.ObstacleDiverged
	}
	return berth.ObstacleUnreachable
}

// patience grows: somebody who was just shown a key is about to add it.
func (c *Control) patience(p berth.Project) time.Duration {
	switch waited := c.Now().Sub(p.Access.Since); {
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
		reads(&p, now)
		if err := tx.UpdateProject(p); err != nil {
			return err
		}
		return tellAccess(tx, "", before, p)
	})
}
