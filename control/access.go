package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth"
)

// keys are what opens a project's origin. At most one of them does.
type keys struct {
	token berth.Secret // over HTTPS
	key   berth.Secret // private half of the deploy key, over SSH

	newToken, newKey bool // not stored yet
}

func (k keys) upstream(p berth.Project) berth.Upstream {
	return berth.Upstream{URL: p.Origin(), Token: k.token, Key: k.key, HostKeys: p.Access.HostKeys}
}

func (c *Control) keysOf(ctx context.Context, p berth.Project) (k keys, err error) {
	if k.token, err = c.reveal(ctx, p.GitToken); err != nil {
		return keys{}, err
	}
	k.key, err = c.reveal(ctx, p.DeployKey)
	return k, err
}

func (c *Control) reveal(ctx context.Context, secret berth.ID) (berth.Secret, error) {
	if secret == "" {
		return berth.Secret{}, nil
	}
	var sealed []byte
	err := c.Store.View(ctx, func(tx Tx) (err error) {
		_, sealed, err = tx.LatestSecret(secret)
		return err
	})
	if err != nil {
		return berth.Secret{}, err
	}
	return c.Vault.Unseal(sealed)
}

// validateGitURL is berth.ParseGitURL with what a token asks for.
func validateGitURL(text string, token berth.Secret) error {
	u, err := berth.ParseGitURL(text)
	switch {
	case err != nil || token.Empty():
		return err
	case u.SSH():
		return invalid("gitToken", "a token opens https:// URLs; over SSH Berth uses a deploy key, which it makes and shows")
	case u.Scheme == "http":
		return invalid("gitUrl", "a token is not sent over plain http: use https")
	}
	return nil
}

// reach fetches a project's origin, or moves its own repository there, of which settle is told. Where access is refused
// and there is no token, the project gets a deploy key and waits until the origin accepts it.
func (c *Control) reach(ctx context.Context, p *berth.Project, k *keys, settle func() error) error {
	u, err := berth.ParseGitURL(p.Origin())
	if err != nil {
		return err
	}
	if u.SSH() {
		if err := c.giveKey(p, k, u); err != nil {
			return err
		}
	}
	err = c.take(ctx, p, *k, settle)
	if !errors.Is(err, berth.ErrRefused) || !k.token.Empty() {
		return err
	}
	if !u.SSH() {
		overSSH := c.sshURL(u)
		if overSSH == "" {
			return err
		}
		if err := c.giveKey(p, k, u); err != nil {
			return err
		}
		if p.GitURL == "" {
			p.Access.MovesTo = overSSH
		} else {
			p.GitURL = overSSH
		}
	}
	p.Access.Waiting, p.Access.Obstacle, p.Access.Since = berth.MessageOf(withoutField(err)), berth.ObstacleRefused, c.Now()
	return nil
}

func (c *Control) sshURL(u berth.GitURL) string {
	if c.Forges == nil {
		return ""
	}
	return c.Forges.SSHURL(u)
}

// giveKey makes the project's deploy key, unless it has one.
func (c *Control) giveKey(p *berth.Project, k *keys, u berth.GitURL) (err error) {
	if c.Forges == nil {
		return berth.Errorf(berth.EUnsupported, "this server makes no deploy keys: give the repository's https:// URL")
	}
	p.Access.KeyPage = c.Forges.KeyPage(u)
	if p.DeployKey != "" {
		return nil
	}
	p.Access.DeployKey, k.key, err = c.Forges.NewDeployKey("berth-" + p.Name)
	k.newKey = true
	return err
}

// take fetches, or moves a project's own repository out, and writes into p what was found out, also where it fails.
// settle is called when the repository has moved, before anybody else can push to it.
func (c *Control) take(ctx context.Context, p *berth.Project, k keys, settle func() error) error {
	var found berth.Fetched
	var err error
	if p.Access.MovesTo != "" {
		found, err = c.Git.MoveOut(ctx, p.ID, k.upstream(*p), func(found berth.Fetched) error {
			p.GitURL, p.Access.MovesTo = p.Access.MovesTo, ""
			c.took(ctx, p, found)
			return settle()
		})
	} else if found, err = c.Git.Fetch(ctx, p.ID, k.upstream(*p)); err == nil {
		c.took(ctx, p, found)
	}
	if len(found.HostKeys) > 0 {
		p.Access.HostKeys = found.HostKeys
	}
	return err
}

func (c *Control) took(ctx context.Context, p *berth.Project, found berth.Fetched) {
	if len(found.HostKeys) > 0 {
		p.Access.HostKeys = found.HostKeys
	}
	p.DefaultBranch, p.Access.Waiting, p.Access.Obstacle, p.Access.Since = found.DefaultBranch, "", "", time.Time{}
	p.Stages = c.stages(ctx, *p)
}

// withoutField is an error's sentence where no request is answered.
func withoutField(err error) error {
	if e := (*berth.Error)(nil); errors.As(err, &e) {
		return &berth.Error{Code: e.Code, Message: e.Message, Err: err}
	}
	return err
}

// sealedKeys are new secrets of a project on their way to the store.
type sealedKeys map[berth.ID][]byte

// seal encrypts what is new of k, and gives p its references.
func (c *Control) seal(p *berth.Project, k keys) (sealedKeys, error) {
	secrets := sealedKeys{}
	add := func(ref *berth.ID, value berth.Secret) error {
		sealed, err := c.Vault.Seal(value)
		if err == nil {
			*ref = berth.NewID()
			secrets[*ref] = sealed
		}
		return err
	}
	if k.newToken {
		if err := add(&p.GitToken, k.token); err != nil {
			return nil, err
		}
	}
	if k.newKey {
		return secrets, add(&p.DeployKey, k.key)
	}
	return secrets, nil
}

func (s sealedKeys) put(tx Tx, owner berth.ID) error {
	for id, sealed := range s {
		if _, err := tx.PutSecret(owner, id, sealed); err != nil {
			return err
		}
	}
	return nil
}

// connected says where a project's commits come from now.
func connected(p berth.Project, moved bool) string {
	if moved {
		return fmt.Sprintf("the history of project %s has moved to %s: push there from now on", p.Name, p.GitURL)
	}
	return fmt.Sprintf("project %s reads %s", p.Name, p.GitURL)
}

// tellAccess records what has changed in how a project reaches its origin.
func tellAccess(tx Tx, person string, before, now berth.Project) error {
	tell := func(kind, format string, args ...any) error {
		return tx.AppendEvent(berth.Event{Project: now.ID, Person: person, Kind: kind, Message: fmt.Sprintf(format, args...)})
	}
	if !slices.Equal(before.Access.HostKeys, now.Access.HostKeys) && len(now.Access.HostKeys) > 0 {
		if err := tell("project.hostKey", "from now on the SSH host of %s is expected to show %s", now.GitURL, listed(now.Access.HostKeys)); err != nil {
			return err
		}
	}
	switch was, is := before.Access.Waiting, now.Access.Waiting; {
	case was == is, was != "" && is != "" && before.Access.Obstacle == now.Access.Obstacle: // a host may word it anew at each try
		return nil
	case is != "":
		return tell("project.waiting", "project %s waits for its origin: %s", now.Name, is)
	}
	return tell("project.connected", "%s", connected(now, before.Access.MovesTo != ""))
}
