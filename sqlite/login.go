package sqlite

import (
	"time"

	"github.com/berth-dev/berth"
)

// maxLogins is how many browsers a person may be logged in with; the one unused for longest goes first.
const maxLogins = 50

const loginColumns = `l.id, l.person, l.device, l.address, l.created_at, l.last_used, l.expires_at`

func loginInto(l *berth.Login) []any {
	return []any{&l.ID, &l.Person, &l.Device, &l.Address, stampInto{&l.CreatedAt}, stampInto{&l.LastUsed}, stampInto{&l.ExpiresAt}}
}

// CreateLogin stores a browser's login with the hash of its secret. It forgets all logins whose time is over.
func (tx *Tx) CreateLogin(l berth.Login, hash []byte) error {
	if _, err := tx.write("expire logins", "", `DELETE FROM logins WHERE expires_at <= ?`, stamp(tx.now)); err != nil {
		return err
	}
	if _, err := tx.write("bound logins", "", `DELETE FROM logins WHERE person = ?1 AND id NOT IN
		(SELECT id FROM logins WHERE person = ?1 ORDER BY last_used DESC, rowid DESC LIMIT ?2)`, l.Person, maxLogins-1); err != nil {
		return err
	}
	_, err := tx.write("create login", "the person is gone, or the login exists",
		`INSERT INTO logins (id, person, hash, device, address, created_at, last_used, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		l.ID, l.Person, hash, l.Device, l.Address, stamp(l.CreatedAt), stamp(l.LastUsed), stamp(l.ExpiresAt))
	return err
}

// lives is the condition of a login that has not expired and was used since a time.
const lives = `l.expires_at > ? AND l.last_used > ?`

// LoginByHash finds a login that has not expired and was used since a time, and its person; anything else is
// EUnauthenticated.
func (tx *Tx) LoginByHash(hash []byte, now, since time.Time) (berth.Login, berth.Person, error) {
	var p berth.Person
	l, err := must(tx, "read login", berth.Errorf(berth.EUnauthenticated, "this login has ended: log in again"),
		func(r row) (l berth.Login, err error) {
			err = r.Scan(append(loginInto(&l), personInto(&p)...)...)
			return l, err
		}, `SELECT `+loginColumns+`, `+personColumns+` FROM logins l JOIN persons p ON p.id = l.person WHERE l.hash = ? AND `+lives,
		hash, stamp(now), stamp(since))
	return l, p, err
}

// LoginLives reports whether a login is there, has not expired and was used since a time.
func (tx *Tx) LoginLives(id berth.ID, now, since time.Time) (bool, error) {
	_, ok, err := one(tx, "read login", scanValue[berth.ID], `SELECT l.id FROM logins l WHERE l.id = ? AND `+lives, id, stamp(now), stamp(since))
	return ok, err
}

// TouchLogin notes that a login was used now. It makes no hint.
func (tx *Tx) TouchLogin(id berth.ID) error {
	_, err := tx.write("touch login", "", `UPDATE logins SET last_used = ? WHERE id = ?`, stamp(tx.now), id)
	return err
}

// Logins returns a person's logins that have not expired and were used since a time, the one used last first.
func (tx *Tx) Logins(person berth.ID, now, since time.Time) ([]berth.Login, error) {
	return all(tx, "list logins", func(r row) (l berth.Login, err error) {
		err = r.Scan(loginInto(&l)...)
		return l, err
	}, `SELECT `+loginColumns+` FROM logins l WHERE l.person = ? AND `+lives+` ORDER BY l.last_used DESC, l.rowid DESC`, person, stamp(now), stamp(since))
}

// DeleteLogin ends a person's login; another person's is not found.
func (tx *Tx) DeleteLogin(person, id berth.ID) error {
	tx.touch("")
	return tx.change("delete login", "", berth.Errorf(berth.ENotFound, "there is no login %s of yours", id),
		`DELETE FROM logins WHERE person = ? AND id = ?`, person, id)
}

// DeleteOtherLogins ends all logins of a person but one, and says how many.
func (tx *Tx) DeleteOtherLogins(person, but berth.ID) (int64, error) {
	tx.touch("")
	return tx.write("delete logins", "", `DELETE FROM logins WHERE person = ? AND id <> ?`, person, but)
}
