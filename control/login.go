package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/netip"
	"time"

	"github.com/berth-dev/berth"
)

// loginIdle is how long a login lasts that nobody uses.
const loginIdle = 14 * 24 * time.Hour

// LoginByLink logs a browser in by a one-time link, which is used up. The secret is for the browser's cookie.
func (c *Control) LoginByLink(ctx context.Context, link berth.Secret, client berth.LoginClient) (berth.Login, berth.Secret, error) {
	return c.EnterByLink(ctx, link, berth.Choices{}, client)
}

// EnterByLink is LoginByLink for a person who chooses a password, which ends their other logins, or at the set-up of
// the server their name. What is refused uses no link up.
func (c *Control) EnterByLink(ctx context.Context, link berth.Secret, choose berth.Choices, client berth.LoginClient) (l berth.Login, cookie berth.Secret, err error) {
	if err := c.mayTry(client); err != nil {
		return l, cookie, err
	}
	hashed, err := c.chosenPassword(ctx, link, choose)
	if err != nil {
		return l, cookie, err
	}
	err = c.Store.Update(ctx, func(tx Tx) error {
		p, err := c.enter(tx, link, choose.Name)
		if err != nil {
			return err
		}
		if l, cookie, err = c.beginLogin(tx, p, client); err != nil || hashed == "" {
			return err
		}
		return putPassword(tx, p.ID, p.Name, hashed, l.ID)
	})
	if err != nil {
		return berth.Login{}, berth.Secret{}, err
	}
	return l, cookie, nil
}

// chosenPassword hashes what the holder of a link chose; without a link nothing is hashed.
func (c *Control) chosenPassword(ctx context.Context, link berth.Secret, choose berth.Choices) (string, error) {
	if choose.Password.Empty() {
		return "", nil
	}
	if _, err := c.LinkOf(ctx, link); err != nil {
		return "", err
	}
	if err := berth.ValidatePassword(choose.Password); err != nil {
		return "", err
	}
	return c.passwords.hash(ctx, choose.Password)
}

// LinkOf says what a one-time link is for, and whose it is, without using it up.
func (c *Control) LinkOf(ctx context.Context, link berth.Secret) (l berth.Link, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		id, expires, err := tx.LoginLink(hash(link), c.Now())
		if err != nil {
			return err
		}
		p, err := tx.Person(id)
		if err != nil {
			return err
		}
		_, claimed, err := tx.Meta(claimedKey)
		l = berth.Link{Person: p.Name, ExpiresAt: expires, Purpose: linkPurpose(p, claimed)}
		return err
	})
	return l, err
}

func linkPurpose(p berth.Person, claimed bool) berth.LinkPurpose {
	switch {
	case !claimed && p.Role == berth.RoleOwner:
		return berth.LinkSetUp
	case p.JoinedAt.IsZero():
		return berth.LinkInvitation
	}
	return berth.LinkLogin
}

// enter uses a link up and returns whom it lets in, by the name that they chose, if any.
func (c *Control) enter(tx Tx, link berth.Secret, name string) (berth.Person, error) {
	id, err := tx.TakeLoginLink(hash(link), c.Now())
	if err != nil {
		return berth.Person{}, err
	}
	p, err := tx.Person(id)
	if err != nil {
		return berth.Person{}, err
	}
	_, claimed, err := tx.Meta(claimedKey)
	if err != nil {
		return berth.Person{}, err
	}
	purpose := linkPurpose(p, claimed)
	if name != "" && name != p.Name {
		if purpose != berth.LinkSetUp {
			return berth.Person{}, invalid("name", "a name is chosen when the server is set up; yours is "+p.Name)
		}
		if err := berth.ValidateName("name", name); err != nil {
			return berth.Person{}, err
		}
		p.Name = name
	}
	if p.JoinedAt.IsZero() {
		p.JoinedAt = tx.Now()
	}
	if err := tx.UpdatePerson(p); err != nil {
		return berth.Person{}, err
	}
	if err := tx.PutMeta(claimedKey, string(p.ID)); err != nil {
		return berth.Person{}, err
	}
	return p, tx.AppendEvent(berth.Event{Person: p.Name, Kind: "person.login", Message: p.Name + " " + entered[purpose]})
}

var entered = map[berth.LinkPurpose]string{
	berth.LinkSetUp:      "set this server up",
	berth.LinkInvitation: "accepted the invitation",
	berth.LinkLogin:      "logged in with a login link",
}

// beginLogin stores a login and makes its secret.
func (c *Control) beginLogin(tx Tx, p berth.Person, client berth.LoginClient) (berth.Login, berth.Secret, error) {
	secret := berth.NewSecret(rand.Text())
	now := c.Now().UTC()
	l := berth.Login{
		ID: berth.NewID(), Person: p.ID, Device: berth.DeviceOf(client.UserAgent),
		CreatedAt: now, LastUsed: now, ExpiresAt: now.Add(loginLife),
	}
	if ip, err := netip.ParseAddr(client.Address); err == nil {
		l.Address = ip.Unmap().String()
	}
	return l, secret, tx.CreateLogin(l, hash(secret))
}

// LoginByPassword logs a browser in. A name that nobody has, and one without a password, get the answer of a wrong
// password, as late. Behind the error of who tries too often is berth.ErrTooOften. Takes tens of milliseconds of a
// turn that all share.
func (c *Control) LoginByPassword(ctx context.Context, name string, password berth.Secret, client berth.LoginClient) (l berth.Login, cookie berth.Secret, err error) {
	if err := c.mayTry(client); err != nil {
		return l, cookie, err
	}
	if err := c.mayGuess(name); err != nil {
		return l, cookie, err
	}
	stored, err := c.storedPassword(ctx, name)
	if err != nil {
		return l, cookie, err
	}
	fits, err := c.passwords.fit(ctx, stored, password)
	if err != nil {
		return l, cookie, err
	}
	if !fits {
		return l, cookie, wrongPassword()
	}
	c.byName.forget(name)
	err = c.Store.Update(ctx, func(tx Tx) error {
		p, err := tx.PersonByName(name)
		if err != nil {
			return err
		}
		if now, err := tx.Password(p.ID); err != nil || now != stored {
			return cmp.Or(err, wrongPassword())
		}
		if l, cookie, err = c.beginLogin(tx, p, client); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: p.Name, Kind: "person.login", Message: p.Name + " logged in with a password (" + l.Device + ")"})
	})
	if err != nil {
		return berth.Login{}, berth.Secret{}, err
	}
	return l, cookie, nil
}

func wrongPassword() error {
	return berth.Errorf(berth.EUnauthenticated, "the name or the password is wrong; a login link (berth login-link) lets you in without one")
}

// storedPassword is nothing for who has none, and for nobody.
func (c *Control) storedPassword(ctx context.Context, name string) (stored string, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		p, err := tx.PersonByName(name)
		if berth.CodeOf(err) == berth.ENotFound {
			return nil
		}
		if err != nil {
			return err
		}
		stored, err = tx.Password(p.ID)
		return err
	})
	return stored, err
}

// AuthenticateLogin says whose login a cookie's secret is of.
func (c *Control) AuthenticateLogin(ctx context.Context, cookie berth.Secret) (caller berth.Caller, l berth.Login, err error) {
	now := c.Now()
	var p berth.Person
	err = c.Store.View(ctx, func(tx Tx) error {
		l, p, err = tx.LoginByHash(hash(cookie), now, now.Add(-loginIdle))
		return err
	})
	if err != nil {
		return berth.Caller{}, berth.Login{}, err
	}
	if now.Sub(l.LastUsed) > touchEvery {
		err = c.Store.Update(ctx, func(tx Tx) error { return tx.TouchLogin(l.ID) })
	}
	caller, l.Current = callerOf(p), true
	caller.Login = l.ID
	return caller, l, err
}

// Logout ends the login of a cookie. One that has ended is no error.
func (c *Control) Logout(ctx context.Context, cookie berth.Secret) error {
	caller, l, err := c.AuthenticateLogin(ctx, cookie)
	if berth.CodeOf(err) == berth.EUnauthenticated {
		return nil
	}
	if err != nil {
		return err
	}
	return c.As(caller).DeleteLogin(ctx, l.ID)
}

// Logins lists the caller's.
func (s *Service) Logins(ctx context.Context) (list []berth.Login, err error) {
	now := s.control.Now()
	err = s.view(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, LoginRead, ""); err != nil {
			return err
		}
		list, err = tx.Logins(s.caller.Person, now, now.Add(-loginIdle))
		return err
	})
	for i := range list {
		list[i].Current = list[i].ID == s.caller.Login
	}
	return list, err
}

// DeleteLogin ends a login of the caller.
func (s *Service) DeleteLogin(ctx context.Context, id berth.ID) error {
	return s.update(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, LoginManage, ""); err != nil {
			return err
		}
		if err := tx.DeleteLogin(s.caller.Person, id); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "login.ended", Message: s.caller.Name + " logged a browser out"})
	})
}

// DeleteOtherLogins ends all logins of the caller but the one that asks.
func (s *Service) DeleteOtherLogins(ctx context.Context) error {
	return s.update(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, LoginManage, ""); err != nil {
			return err
		}
		ended, err := tx.DeleteOtherLogins(s.caller.Person, s.caller.Login)
		if err != nil || ended == 0 {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "login.ended", Message: s.caller.Name + " logged all other browsers out"})
	})
}
