package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// ownerKey is where the store keeps who owns the server.
	ownerKey = "owner"
	// claimedKey is where the store keeps who logged in last; there is nothing before anybody did.
	claimedKey = "claimed"
	// linkLife is how long a login link may wait to be used.
	linkLife = 15 * time.Minute
	// loginLife is how long a login lasts, whatever it is used for, and what a token lasts that says nothing.
	loginLife = 90 * 24 * time.Hour
	// inviteLife is how long an invitation may wait to be accepted.
	inviteLife = 24 * time.Hour
	// maxTokenLife keeps tokens from living for ever.
	maxTokenLife = 365 * 24 * time.Hour
	// touchEvery is how exactly a token's last use is known: a write per request would be dear.
	touchEvery = time.Hour
	// tokenPrefix lets scanners recognise a token that leaked.
	tokenPrefix = "berth_"
)

// EnsureOwner makes the first person, named name, unless the server has an owner. It is called at every start.
func (c *Control) EnsureOwner(ctx context.Context, name string) error {
	if berth.ValidateName("name", name) != nil {
		name = "owner"
	}
	return c.Store.Update(ctx, func(tx Tx) error {
		if _, ok, err := tx.Meta(ownerKey); err != nil || ok {
			return err
		}
		owner := berth.Person{ID: berth.NewID(), Name: name, Role: berth.RoleOwner}
		if err := tx.CreatePerson(owner); err != nil {
			return err
		}
		if err := tx.PutMeta(ownerKey, string(owner.ID)); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Kind: "person.created", Message: name + " owns this server"})
	})
}

// Machine is the caller behind the server's Unix socket: whoever may open it is root or the owner.
func (c *Control) Machine(ctx context.Context) (caller berth.Caller, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		p, ok, err := tx.FirstOwner()
		if err == nil && !ok {
			err = fmt.Errorf("find owner: the server has none yet")
		}
		caller = callerOf(p)
		return err
	})
	return caller, err
}

func callerOf(p berth.Person) berth.Caller {
	return berth.Caller{Person: p.ID, Name: p.Name, Role: p.Role}
}

// Authenticate says whose token this is.
func (c *Control) Authenticate(ctx context.Context, token berth.Secret) (berth.Caller, error) {
	if !strings.HasPrefix(token.Reveal(), tokenPrefix) {
		return berth.Caller{}, berth.Errorf(berth.EUnauthenticated, "this is no token of Berth's: log in with berth login LINK")
	}
	var known berth.Token
	var person berth.Person
	now := c.Now()
	err := c.Store.View(ctx, func(tx Tx) (err error) {
		known, person, err = tx.TokenByHash(hash(token), now)
		return err
	})
	if err != nil {
		return berth.Caller{}, err
	}
	if now.Sub(known.LastUsed) > touchEvery {
		err = c.Store.Update(ctx, func(tx Tx) error { return tx.TouchToken(known.ID) })
	}
	caller := callerOf(person)
	caller.Token, caller.Limit = known.ID, known.Role
	return caller, err
}

// hash is what the store keeps of a secret that a client shows. Both kinds have 128 random bits or
// more, so that a fast hash without salt keeps them.
func hash(secret berth.Secret) []byte {
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return sum[:]
}

// Login exchanges the secret of a one-time link for a token; the link is used up.
func (c *Control) Login(ctx context.Context, link berth.Secret, client berth.LoginClient) (t berth.Token, token berth.Secret, err error) {
	if err := c.mayTry(client); err != nil {
		return t, token, err
	}
	err = c.Store.Update(ctx, func(tx Tx) error {
		p, err := c.enter(tx, link, "")
		if err != nil {
			return err
		}
		t, token, err = c.mint(tx, p.ID, berth.NewToken{Name: "login"})
		return err
	})
	return t, token, err
}

func (c *Control) mint(tx Tx, person berth.ID, n berth.NewToken) (berth.Token, berth.Secret, error) {
	secret := berth.NewSecret(tokenPrefix + rand.Text())
	now := c.Now().UTC()
	t := berth.Token{ID: berth.NewID(), Person: person, Name: n.Name, Role: n.Role, CreatedAt: now, ExpiresAt: now.Add(cmp.Or(n.TTL, loginLife))}
	return t, secret, tx.CreateToken(t, hash(secret))
}

// Whoami says who is asking whom.
func (s *Service) Whoami(ctx context.Context) (who berth.Whoami, err error) {
	c := s.control
	who = berth.Whoami{Person: s.caller.Name, Role: s.caller.Role, Limit: s.caller.Limit, ServerURL: c.ServerURL, ConsoleURL: c.ConsoleURL, Address: c.Address, Version: c.Version}
	who.SSH = c.sshServer()
	err = s.view(ctx, func(tx Tx) error {
		if _, who.Claimed, err = tx.Meta(claimedKey); err != nil {
			return err
		}
		who.Memberships, err = tx.MembershipsOf(s.caller.Person)
		return err
	})
	return who, err
}

// CA returns the server's local certificate authority.
func (s *Service) CA(context.Context) (string, error) {
	if err := s.known(); err != nil {
		return "", err
	}
	return s.control.Config.CA(), nil
}

// CreateLoginLink makes a link that lets a person in once.
func (s *Service) CreateLoginLink(ctx context.Context, person string) (berth.LoginLink, error) {
	return s.makeLink(ctx, linkLife, func(tx Tx) (berth.Person, error) {
		p, err := s.linkedPerson(tx, person)
		if err != nil {
			return p, err
		}
		return p, tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "person.linked", Message: "a login link was made for " + p.Name})
	})
}

func (s *Service) linkedPerson(tx Tx, name string) (berth.Person, error) {
	if name == "" || name == s.caller.Name {
		return berth.Person{ID: s.caller.Person, Name: s.caller.Name}, authorise(tx, s.caller, LoginLinkMake, "")
	}
	if err := authorise(tx, s.caller, PersonLogin, ""); err != nil {
		return berth.Person{}, err
	}
	return tx.PersonByName(name)
}

// makeLink makes a link, within the transaction in which whom finds its person.
func (s *Service) makeLink(ctx context.Context, life time.Duration, whom func(Tx) (berth.Person, error)) (link berth.LoginLink, err error) {
	secret := berth.NewSecret(rand.Text())
	err = s.update(ctx, func(tx Tx) error {
		p, err := whom(tx)
		if err != nil {
			return err
		}
		link.Person, link.ExpiresAt = p.Name, s.control.Now().UTC().Add(life)
		return tx.CreateLoginLink(hash(secret), p.ID, s.caller.Person, link.ExpiresAt)
	})
	if err != nil {
		return berth.LoginLink{}, err
	}
	if s.control.Install != nil {
		link.Install = s.control.Install()
	}
	link.URL = berth.NewSecret(s.control.ConsoleURL + "/login#" + secret.Reveal() + "." + s.control.Fingerprint())
	return link, nil
}

// CreateToken makes a token of the caller.
func (s *Service) CreateToken(ctx context.Context, n berth.NewToken) (t berth.Token, secret berth.Secret, err error) {
	err = s.update(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, TokenManage, ""); err != nil {
			return err
		}
		if err := validateToken(n); err != nil {
			return err
		}
		if t, secret, err = s.control.mint(tx, s.caller.Person, n); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "token.created", Message: "a token named " + n.Name + " was made"})
	})
	return t, secret, err
}

func validateToken(n berth.NewToken) error {
	if err := berth.ValidateName("name", n.Name); err != nil {
		return err
	}
	if n.TTL < 0 || n.TTL > maxTokenLife {
		return invalid("ttl", "a token lives for at most a year: make a new one then")
	}
	if n.Role == berth.RoleNone {
		return nil
	}
	return berth.ValidateRole(n.Role)
}

// Tokens lists the caller's.
func (s *Service) Tokens(ctx context.Context) (list []berth.Token, err error) {
	err = s.view(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, TokenRead, ""); err != nil {
			return err
		}
		list, err = tx.Tokens(s.caller.Person)
		return err
	})
	return list, err
}

// DeleteToken ends a token of the caller.
func (s *Service) DeleteToken(ctx context.Context, id berth.ID) error {
	return s.update(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, TokenManage, ""); err != nil {
			return err
		}
		if err := tx.DeleteToken(s.caller.Person, id); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "token.deleted", Message: "a token was deleted"})
	})
}

// Packages lists the built-in catalogue, without what only one package's page needs.
func (s *Service) Packages(context.Context) ([]berth.PackageInfo, error) {
	list := make([]berth.PackageInfo, len(s.control.Catalogue))
	for i, p := range s.control.Catalogue {
		p.Readme, p.File = "", ""
		list[i] = p
	}
	return list, s.known()
}

// Package finds one by name.
func (s *Service) Package(_ context.Context, name string) (berth.PackageInfo, error) {
	if err := s.known(); err != nil {
		return berth.PackageInfo{}, err
	}
	names := make([]string, len(s.control.Catalogue))
	for i, p := range s.control.Catalogue {
		if p.Name == name {
			return p, nil
		}
		names[i] = p.Name
	}
	return berth.PackageInfo{}, berth.Errorf(berth.ENotFound, "there is no package %s; there are %s", name, listed(names))
}
