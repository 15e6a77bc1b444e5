package sqlite

import (
	"time"

	"github.com/berth-dev/berth"
)

const tokenColumns = `t.id, t.person, t.name, t.role, t.created_at, t.expires_at, t.last_used`

func tokenInto(t *berth.Token) []any {
	return []any{&t.ID, &t.Person, &t.Name, &t.Role, stampInto{&t.CreatedAt}, stampInto{&t.ExpiresAt}, stampInto{&t.LastUsed}}
}

// CreateLoginLink stores the hash of a link that lets a person in once. It ends with its maker.
func (tx *Tx) CreateLoginLink(hash []byte, person, maker berth.ID, expires time.Time) error {
	_, err := tx.write("create login link", "the person is gone, or the link exists",
		`INSERT INTO login_links (hash, person, maker, expires_at) VALUES (?, ?, ?, ?)`, hash, person, maker, stamp(expires))
	return err
}

// DeleteLinksBy ends the links that somebody made for others.
func (tx *Tx) DeleteLinksBy(maker berth.ID) error {
	_, err := tx.write("delete login links", "", `DELETE FROM login_links WHERE maker = ?1 AND person <> ?1`, maker)
	return err
}

// DeleteForeignLinks ends the links for a person that somebody else than maker made, owners of the server excepted.
func (tx *Tx) DeleteForeignLinks(person, maker berth.ID) error {
	_, err := tx.write("delete login links", "", `DELETE FROM login_links WHERE person = ? AND maker <> ?
		AND maker NOT IN (SELECT id FROM persons WHERE role = ?)`, person, maker, berth.RoleOwner)
	return err
}

// TakeLoginLink uses a link up and returns whom it lets in. It forgets all links whose time is over.
func (tx *Tx) TakeLoginLink(hash []byte, now time.Time) (person berth.ID, err error) {
	if _, err := tx.write("expire login links", "", `DELETE FROM login_links WHERE expires_at <= ?`, stamp(now)); err != nil {
		return "", err
	}
	return must(tx, "take login link", usedLink(), scanValue[berth.ID], `DELETE FROM login_links WHERE hash = ? RETURNING person`, hash)
}

// LoginLink returns whom a link lets in, and until when, without using it up.
func (tx *Tx) LoginLink(hash []byte, now time.Time) (person berth.ID, expires time.Time, err error) {
	person, err = must(tx, "read login link", usedLink(), func(r row) (id berth.ID, err error) {
		err = r.Scan(&id, stampInto{&expires})
		return id, err
	}, `SELECT person, expires_at FROM login_links WHERE hash = ? AND expires_at > ?`, hash, stamp(now))
	return person, expires, err
}

// DeleteLoginLinks ends all links that let a person in.
func (tx *Tx) DeleteLoginLinks(person berth.ID) error {
	_, err := tx.write("delete login links", "", `DELETE FROM login_links WHERE person = ?`, person)
	return err
}

func usedLink() error {
	return berth.Errorf(berth.EUnauthenticated, "this login link was used already, or its time is over: make a new one with berth login-link, or ask who sent it")
}

// CreateToken stores an API token with the hash of its secret.
func (tx *Tx) CreateToken(t berth.Token, hash []byte) error {
	if t.CreatedAt.IsZero() {
		t.CreatedAt = tx.now
	}
	_, err := tx.write("create token", "the person is gone, or the token exists",
		`INSERT INTO tokens (id, person, name, role, hash, created_at, expires_at, last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.ID, t.Person, t.Name, t.Role, hash, stamp(t.CreatedAt), stamp(t.ExpiresAt), stamp(t.LastUsed))
	return err
}

// TokenByHash finds an unexpired token and its person; anything else is EUnauthenticated.
// A token without an expiry time is expired.
func (tx *Tx) TokenByHash(hash []byte, now time.Time) (berth.Token, berth.Person, error) {
	type owned struct {
		token  berth.Token
		person berth.Person
	}
	found, err := must(tx, "read token",
		berth.Errorf(berth.EUnauthenticated, "this token is not known, or its time is over: log in again"),
		func(r row) (o owned, err error) {
			err = r.Scan(append(tokenInto(&o.token), personInto(&o.person)...)...)
			return o, err
		}, `SELECT `+tokenColumns+`, `+personColumns+` FROM tokens t JOIN persons p ON p.id = t.person WHERE t.hash = ? AND t.expires_at > ?`,
		hash, stamp(now))
	return found.token, found.person, err
}

// TokenLives reports whether a token is there and its time is not over.
func (tx *Tx) TokenLives(id berth.ID, now time.Time) (bool, error) {
	_, ok, err := one(tx, "read token", scanValue[berth.ID], `SELECT id FROM tokens WHERE id = ? AND expires_at > ?`, id, stamp(now))
	return ok, err
}

// TouchToken notes that a token was used now. It makes no hint.
func (tx *Tx) TouchToken(id berth.ID) error {
	_, err := tx.write("touch token", "", `UPDATE tokens SET last_used = ? WHERE id = ?`, stamp(tx.now), id)
	return err
}

// Tokens returns a person's tokens, oldest first.
func (tx *Tx) Tokens(person berth.ID) ([]berth.Token, error) {
	return all(tx, "list tokens", func(r row) (t berth.Token, err error) {
		err = r.Scan(tokenInto(&t)...)
		return t, err
	}, `SELECT `+tokenColumns+` FROM tokens t WHERE t.person = ? ORDER BY t.created_at, t.rowid`, person)
}

// DeleteToken ends a person's token; another person's is not found.
func (tx *Tx) DeleteToken(person, id berth.ID) error {
	tx.touch("")
	return tx.change("delete token", "", berth.Errorf(berth.ENotFound, "there is no token %s of yours", id),
		`DELETE FROM tokens WHERE person = ? AND id = ?`, person, id)
}
