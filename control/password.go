package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/argon2"
)

// What a hash costs (RFC 9106; the least memory that OWASP's password storage cheat sheet names for two passes).
const (
	argonMemory = 19 * 1024 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonSalt   = 16
	argonSum    = 32
)

// maxWaiting is how many passwords may wait for their turn.
const maxWaiting = 16

// passwords hashes and checks persons' passwords, one at a time: guesses side by side cannot take the machine's
// memory from others.
type passwords struct {
	turn    chan struct{} // holds one while nobody hashes
	waiting *atomic.Int32
}

func newPasswords() passwords {
	p := passwords{turn: make(chan struct{}, 1), waiting: &atomic.Int32{}}
	p.turn <- struct{}{}
	return p
}

// hash returns what is stored of a password.
func (p passwords) hash(ctx context.Context, password berth.Secret) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	sum, err := p.sum(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return argonPrefix() + encode(salt) + "$" + encode(sum), nil
}

// fit reports whether a stored hash is that of a password. Nothing stored fits nothing, and takes as long.
func (p passwords) fit(ctx context.Context, stored string, password berth.Secret) (bool, error) {
	salt, want := parsePassword(stored)
	known := len(want) == argonSum
	if !known {
		salt, want = make([]byte, argonSalt), make([]byte, argonSum)
	}
	sum, err := p.sum(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, want) == 1 && known, nil
}

// sum waits for its turn, unless too many do.
func (p passwords) sum(ctx context.Context, password berth.Secret, salt []byte) ([]byte, error) {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxWaiting {
		return nil, berth.Errorf(berth.EUnavailable, "many are logging in just now: try again in a moment")
	}
	select {
	case <-p.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.turn <- struct{}{} }()
	text := password.Reveal()
	text = text[:min(len(text), berth.MaxPassword+1)] // no valid one is longer
	return argon2.IDKey([]byte(text), salt, argonPasses, argonMemory, argonLanes, argonSum), nil
}

// argonPrefix is what a hash begins with, in the PHC string format.
func argonPrefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonPasses, argonLanes)
}

// parsePassword returns nothing for what is no hash of ours.
func parsePassword(stored string) (salt, sum []byte) {
	rest, ours := strings.CutPrefix(stored, argonPrefix())
	first, second, _ := strings.Cut(rest, "$")
	salt, err := base64.RawStdEncoding.DecodeString(first)
	if !ours || err != nil {
		return nil, nil
	}
	if sum, err = base64.RawStdEncoding.DecodeString(second); err != nil {
		return nil, nil
	}
	return salt, sum
}

func encode(raw []byte) string { return base64.RawStdEncoding.EncodeToString(raw) }

// ChangePassword gives the caller another password.
func (s *Service) ChangePassword(ctx context.Context, before, password berth.Secret) error {
	var stored string
	err := s.view(ctx, func(tx Tx) (err error) {
		if err := authorise(tx, s.caller, PasswordChange, ""); err != nil {
			return err
		}
		stored, err = tx.Password(s.caller.Person)
		return err
	})
	if err != nil {
		return err
	}
	hashed, err := s.changedPassword(ctx, stored, before, password)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		if now, err := tx.Password(s.caller.Person); err != nil || now != stored {
			return cmp.Or(err, changedMeanwhile())
		}
		return putPassword(tx, s.caller.Person, s.caller.Name, hashed, s.caller.Login)
	})
}

func changedMeanwhile() error {
	return berth.Errorf(berth.EConflict, "your password was changed elsewhere meanwhile")
}

// changedPassword hashes a new password for who knows the one before.
func (s *Service) changedPassword(ctx context.Context, stored string, before, password berth.Secret) (string, error) {
	if err := berth.ValidatePassword(password); err != nil {
		return "", err
	}
	if stored != "" {
		if err := s.control.mayGuess(s.caller.Name); err != nil {
			return "", err
		}
		fits, err := s.control.passwords.fit(ctx, stored, before)
		if err != nil {
			return "", err
		}
		if !fits {
			return "", &berth.Error{Code: berth.EInvalid, Field: "before", Message: "this is not your password; a login link (berth login-link) lets you choose a new one without it"}
		}
		s.control.byName.forget(s.caller.Name)
	}
	return s.control.passwords.hash(ctx, password)
}

// putPassword stores a person's new password, and ends all their logins but one.
func putPassword(tx Tx, person berth.ID, name, hashed string, but berth.ID) error {
	if err := tx.PutPassword(person, hashed); err != nil {
		return err
	}
	ended, err := tx.DeleteOtherLogins(person, but)
	if err != nil {
		return err
	}
	return tx.AppendEvent(berth.Event{Person: name, Kind: "person.password", Message: fmt.Sprintf("%s has a new password; %d other logins ended", name, ended)})
}
