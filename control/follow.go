package control

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/berth-dev/berth"
)

// Following is what a deployment made of a new head of its branch.
type Following struct {
	Deployment berth.Deployment
	Revision   int    // of the release that deploys it; zero: there is none
	Note       string // why there is none, for people
}

// Followers lists the projects that have something that follows a branch.
func (c *Control) Followers(ctx context.Context) (ids []berth.ID, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, d := range all {
			ids = append(ids, d.ProjectID)
		}
		return err
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

const (
	// originEvery is how often an origin is looked at whose webhook tells nothing, originRarely how often beside one
	// that works.
	originEvery, originRarely = 2 * time.Minute, 15 * time.Minute
	// originRest is how long an origin is left alone that could not be read.
	originRest = 10 * time.Minute
)

// FollowOrigin brings in the commits of a project, where they come from outside, and has its deployments follow.
// It says when to look again. An origin is looked at when it is due or its webhook has told something.
func (c *Control) FollowOrigin(ctx context.Context, project berth.ID) (again time.Duration, err error) {
	var p berth.Project
	var before berth.OriginState
	err = c.Store.View(ctx, func(tx Tx) (err error) {
		if p, err = tx.ProjectByID(berth.Everything(), project); err != nil {
			return err
		}
		before, err = originState(tx, project)
		return err
	})
	switch {
	case berth.CodeOf(err) == berth.ENotFound:
		return 0, nil
	case err != nil:
		return 0, err
	case p.GitURL == "":
		_, err = c.Follow(ctx, project, "")
		return 0, err
	case p.Access.Waiting != "": // its origin is tried by another loop
		return 0, nil
	}
	if rest := c.rests.left(project, c.Now()); rest > 0 {
		return rest, nil
	}
	now := before
	now.PolledAt, now.PollError = c.Now(), ""
	if err := c.fetch(ctx, p); err != nil {
		if berth.CodeOf(err) == berth.EInternal || ctx.Err() != nil {
			return 0, err
		}
		now.PollError = berth.MessageOf(withoutField(err)) // whoever deploys by hand is told the same
		return c.rest(ctx, project, before, now, originRest)
	}
	moved, err := c.Follow(ctx, project, "")
	if err != nil {
		return 0, err
	}
	told := before.HeardAt.After(before.PolledAt)
	if len(moved) > 0 && !told && !before.HeardAt.IsZero() {
		now.MissedAt = c.Now()
	}
	if before.HeardAt.After(now.MissedAt) {
		return c.rest(ctx, project, before, now, originRarely)
	}
	return c.rest(ctx, project, before, now, originEvery)
}

// rest leaves an origin alone for about so long, unless its webhook has told something while it was looked at.
func (c *Control) rest(ctx context.Context, project berth.ID, before, now berth.OriginState, about time.Duration) (again time.Duration, err error) {
	again = about + rand.N(about/5) // so that projects of one host do not all knock at once
	now.NextPollAt = c.Now().Add(again)
	c.rests.begin(project, now.NextPollAt) // before the hook is read: what is told from here on ends the rest
	told := false
	err = c.Store.Update(ctx, func(tx Tx) error {
		h, _, err := tx.Hook(project)
		if err != nil {
			return err
		}
		told = h.HeardAt.After(before.HeardAt)
		return tx.PutPolled(project, now)
	})
	if berth.CodeOf(err) == berth.EConflict {
		err = nil // the project is gone
	}
	if err != nil || told {
		c.rests.end(project)
		return time.Second, err
	}
	return again, nil
}

// originState is how a project and the host of its commits get on.
func originState(tx Tx, project berth.ID) (berth.OriginState, error) {
	o, err := tx.OriginState(project)
	if err != nil {
		return o, err
	}
	h, _, err := tx.Hook(project)
	o.HeardAt = h.HeardAt
	return o, err
}

// Follow compares the heads of a project's branches with what its deployments have acted upon: a build stage
// gets a release of a new head, a development deployment is told of it and stays as it is. by names who moved
// the branch, "" where nobody knows. It is idempotent: whoever comes second finds nothing new.
func (c *Control) Follow(ctx context.Context, project berth.ID, by string) (list []Following, err error) {
	done, err := c.looks.Lock(ctx, project)
	if err != nil {
		return nil, err
	}
	defer done()
	var p berth.Project
	var all []berth.Deployment
	err = c.Store.View(ctx, func(tx Tx) error {
		if p, err = tx.ProjectByID(berth.Everything(), project); err != nil {
			return err
		}
		all, err = tx.Deployments(berth.Everything(), project)
		return err
	})
	if err != nil {
		return nil, err
	}
	heads, err := c.heads(ctx, p, all)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		f, acted, err := c.follow(ctx, p, d, heads[d.Branch], by)
		if err != nil {
			return list, err
		}
		if acted {
			list = append(list, f)
		}
	}
	return list, nil
}

// heads resolves the branches that deployments follow; a branch that is gone has "".
func (c *Control) heads(ctx context.Context, p berth.Project, all []berth.Deployment) (map[string]string, error) {
	branches, err := c.Git.Branches(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	heads := map[string]string{}
	for _, d := range all {
		if _, known := heads[d.Branch]; known {
			continue
		}
		heads[d.Branch] = ""
		if slices.Contains(branches, d.Branch) {
			if heads[d.Branch], err = c.Git.Resolve(ctx, p.ID, "refs/heads/"+d.Branch); err != nil {
				return nil, err
			}
		}
	}
	return heads, nil
}

// follow acts upon a head that is new to a deployment. A stopped one catches up when it is started.
func (c *Control) follow(ctx context.Context, p berth.Project, d berth.Deployment, head, by string) (f Following, acted bool, err error) {
	if d.Desire != berth.DesireRun {
		return f, false, nil
	}
	refused, branch := "", d.Branch
	if news, err := c.news(ctx, d, head); err != nil || !news {
		return f, false, err
	}
	if head != "" && d.Kind == berth.KindBuild {
		if err := c.room(); err != nil {
			return f, false, err
		}
		if refused, err = c.refusal(ctx, &p, d, head); err != nil {
			return f, false, err
		}
	}
	err = c.Store.Update(ctx, func(tx Tx) error {
		acted = false
		if d, err = tx.DeploymentByID(berth.Everything(), d.ID); berth.CodeOf(err) == berth.ENotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if d.Branch != branch { // it follows another one since, whose head was deployed at once
			return nil
		}
		before, looked, err := tx.Followed(d.ID)
		if err != nil || d.Desire != berth.DesireRun || looked && before == head {
			return err
		}
		if err := tx.PutFollowed(d.ID, head); err != nil || !looked {
			return err // the first look is at what was deployed before anybody followed
		}
		f, acted = Following{Deployment: d}, true
		return c.act(tx, &f, p, head, refused, by)
	})
	return f, acted, err
}

func (c *Control) news(ctx context.Context, d berth.Deployment, head string) (news bool, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		before, looked, err := tx.Followed(d.ID)
		news = !looked || before != head
		return err
	})
	return news, err
}

// refusal says why a commit cannot be deployed, "" if it can.
func (c *Control) refusal(ctx context.Context, p *berth.Project, d berth.Deployment, commit string) (string, error) {
	_, _, err := c.stack(ctx, *p, commit)
	if err == nil {
		p.Stages = c.stages(ctx, *p)
		err = c.admit(ctx, *p, d, commit)
	}
	if err == nil {
		return "", nil
	}
	if berth.CodeOf(err) == berth.EInternal || ctx.Err() != nil {
		return "", err // not the commit's fault
	}
	return berth.MessageOf(err), nil
}

// act writes what becomes of a new head.
func (c *Control) act(tx Tx, f *Following, p berth.Project, head, refused, by string) error {
	d := f.Deployment
	tell := func(kind, message string) error {
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Person: by, Kind: kind, Message: message})
	}
	switch {
	case head == "":
		f.Note = fmt.Sprintf("branch %s is gone: %s stays as it is. berth branch %s BRANCH has it follow another", d.Branch, d.Slug, d.Slug)
		return tell("branch.gone", f.Note)
	case d.Kind == berth.KindDevelopment:
		f.Note = fmt.Sprintf("branch %s is at %s now; the working tree stays as it is until somebody pulls", d.Branch, short(head))
		return tell("branch.moved", f.Note)
	case refused != "":
		f.Note = fmt.Sprintf("%s is not deployed: %s", short(head), refused)
		return tell("push.refused", f.Note)
	}
	if err := c.keepProjectStages(tx, p); err != nil {
		return err
	}
	r, err := tx.CreateRelease(newRelease(d, head, causePush))
	if err != nil {
		return err
	}
	f.Revision = r.Revision
	return tell("release.created", fmt.Sprintf("release %d deploys %s, the new head of %s", r.Revision, short(head), d.Branch))
}

// causePush is why a release was made that nobody asked for but by moving a branch.
const causePush = "push"

// underWay finds the release that a push or a hook began of a commit and that is not serving yet.
func underWay(tx Tx, deployment berth.ID, commit string) (r berth.Release, ok bool, err error) {
	newest, err := tx.Releases(deployment, 1)
	if err != nil || len(newest) == 0 {
		return r, false, err
	}
	r = newest[0]
	preparing := r.State == berth.ReleasePending || r.State == berth.ReleaseBuilding || r.State == berth.ReleaseStarting
	byItself := r.Cause == causePush || r.Cause == causeHook
	return r, byItself && r.Commit == commit && preparing, nil
}
