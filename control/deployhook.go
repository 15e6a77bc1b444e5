package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// DeployHook shows what is known of the URL by which a deployment is deployed.
func (s *Service) DeployHook(ctx context.Context, ref string) (h berth.DeployHook, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, DeployHookRead, ref)
		if err != nil {
			return err
		}
		stored, _, err := tx.DeployHook(d.ID)
		h = berth.DeployHook{Deployment: d.Slug, CreatedAt: stored.CreatedAt, UsedAt: stored.UsedAt, Revision: stored.Revision}
		return err
	})
	return h, err
}

// RotateDeployHook makes a new URL.
func (s *Service) RotateDeployHook(ctx context.Context, ref string) (h berth.DeployHook, url berth.Secret, err error) {
	token := rand.Text()
	hash := sha256.Sum256([]byte(token))
	var d berth.Deployment
	err = s.update(ctx, func(tx Tx) error {
		if d, err = s.changeable(tx, DeployHookChange, ref); err != nil {
			return err
		}
		if d.Kind == berth.KindDevelopment {
			return runsItsTree(d)
		}
		if err := tx.PutDeployHook(berth.StoredDeployHook{Deployment: d.ID, Hash: hash[:], CreatedAt: tx.Now()}); err != nil {
			return err
		}
		h = berth.DeployHook{Deployment: d.Slug, CreatedAt: tx.Now()}
		return s.event(tx, d, "", "deployHook.rotated", d.Slug+" has a new URL that deploys it; the former one ended")
	})
	if err != nil {
		return berth.DeployHook{}, berth.Secret{}, err
	}
	return h, berth.NewSecret(s.control.DeployHookURL(d.Slug, token)), nil
}

// DeleteDeployHook ends the URL.
func (s *Service) DeleteDeployHook(ctx context.Context, ref string) error {
	return s.update(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, DeployHookChange, ref)
		if err != nil {
			return err
		}
		if _, ok, err := tx.DeployHook(d.ID); err != nil || !ok {
			return err
		}
		if err := tx.DeleteDeployHook(d.ID); err != nil {
			return err
		}
		return s.event(tx, d, "", "deployHook.deleted", "the URL that deploys "+d.Slug+" ended")
	})
}

func runsItsTree(d berth.Deployment) error {
	return berth.Errorf(berth.EConflict, "%s is a development deployment: it runs its working tree, and nothing deploys it. Make the hook of a deployment of a build stage", d.Slug)
}

// hookedPerMinute is how often one URL may deploy.
const hookedPerMinute = 10

// DeployByHook has the branch of a deployment deployed for whoever knows the token of its hook: the newest commit,
// fetched first, or with rev another one that is on this branch. ENotFound for a hook that there is not,
// EConflict for a development deployment, and ErrTooOften.
func (c *Control) DeployByHook(ctx context.Context, slug, token, rev string) (answer berth.HookDeployed, err error) {
	d, p, err := c.hooked(ctx, slug, token)
	if err != nil {
		return answer, err
	}
	if d.Kind == berth.KindDevelopment {
		return answer, runsItsTree(d)
	}
	if !c.hookUses.allow(d.ID, c.Now()) {
		return answer, berth.Errorf(berth.EUnavailable, "%w: this URL deploys %d times a minute at most", berth.ErrTooOften, hookedPerMinute)
	}
	if rev == d.Branch {
		rev = ""
	}
	var r berth.Release
	err = c.deploying(ctx, p, func() error {
		w, err := c.wanted(ctx, p, d, rev, c.onItsBranch)
		if err != nil {
			return err
		}
		return c.Store.Update(ctx, func(tx Tx) error {
			if d, err = hookIn(tx, slug, token); err != nil {
				return err
			}
			if err := c.keepProjectStages(tx, w.project); err != nil {
				return err
			}
			var begun bool
			if r, begun, err = w.begin(tx, d, causeHook); err != nil {
				return err
			}
			if err := tx.UseDeployHook(d.ID, r.Revision); err != nil || begun {
				return err
			}
			return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Kind: "release.created",
				Message: fmt.Sprintf("release %d deploys %s, as the hook of %s asked", r.Revision, short(r.Commit), d.Slug)})
		})
	})
	if err != nil {
		return answer, err
	}
	answer = berth.HookDeployed{Deployment: d.Slug, Revision: r.Revision, Commit: r.Commit, State: r.State, Log: c.BuildsURL(d.Slug)}
	if len(d.Hosts) > 0 {
		_, answer.URL = c.Host(d.Hosts[0].Label)
	}
	return answer, nil
}

// hooked finds the deployment of a hook, and its project.
func (c *Control) hooked(ctx context.Context, slug, token string) (d berth.Deployment, p berth.Project, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		if d, err = hookIn(tx, slug, token); err != nil {
			return err
		}
		p, err = tx.ProjectByID(berth.Everything(), d.ProjectID)
		return err
	})
	return d, p, err
}

// hookIn finds the deployment of a hook. A token that is wrong, a deployment without a hook and one that there is
// not are the same to whoever asks.
func hookIn(tx Tx, slug, token string) (berth.Deployment, error) {
	stored, ok, err := tx.DeployHookOf(slug)
	if err != nil {
		return berth.Deployment{}, err
	}
	hash := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(hash[:], stored.Hash) != 1 || !ok {
		return berth.Deployment{}, berth.Errorf(berth.ENotFound, "there is no such hook")
	}
	d, err := tx.DeploymentByID(berth.Everything(), stored.Deployment)
	if err == nil && d.Desire == berth.DesireDelete {
		err = berth.Errorf(berth.ENotFound, "there is no such hook")
	}
	return d, err
}

// onItsBranch lets a hook deploy what is on the branch that its deployment follows, and says of nothing else
// whether it exists.
func (c *Control) onItsBranch(ctx context.Context, p berth.Project, d berth.Deployment, rev string) (string, error) {
	elsewhere := invalid("ref", fmt.Sprintf("%s is not on the branch %s that %s follows", rev, d.Branch, d.Slug))
	commit, err := c.revision(ctx, p, d, rev)
	switch {
	case berth.CodeOf(err) == berth.ENotFound:
		return "", elsewhere
	case err != nil || rev == "":
		return commit, err
	}
	holders, err := c.Git.Holders(ctx, p.ID, commit)
	if err == nil && !slices.Contains(holders, d.Branch) {
		err = elsewhere
	}
	return commit, err
}

// causeHook is why a release was made that a deploy hook asked for.
const causeHook = "hook"

// uses is when hooks were used in the last minute.
type uses struct {
	mu sync.Mutex
	at map[berth.ID][]time.Time
}

// allow notes a use, unless there were too many in the minute before.
func (u *uses) allow(id berth.ID, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[berth.ID][]time.Time{}
	}
	lately := slices.DeleteFunc(u.at[id], func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(lately) >= hookedPerMinute {
		u.at[id] = lately
		return false
	}
	u.at[id] = append(lately, now)
	return true
}
