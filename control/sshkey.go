package control

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
)

// keysOf finds the person whose keys are asked for: everybody's own, and for owners others'.
func (s *Service) keysOf(tx Tx, person string) (berth.Person, error) {
	own := person == "" || person == s.caller.Name
	verb := KeyManage
	if !own {
		verb = PersonKeys
	}
	if err := authorise(tx, s.caller, verb, ""); err != nil {
		return berth.Person{}, err
	}
	if own {
		return berth.Person{ID: s.caller.Person, Name: s.caller.Name}, nil
	}
	return tx.PersonByName(person)
}

// maxKeys is how many keys a person may have.
const maxKeys = 100

// AddKey lets whoever holds the private half of a public key in as a person.
func (s *Service) AddKey(ctx context.Context, person, name, text string) (key berth.SSHKey, err error) {
	err = s.update(ctx, func(tx Tx) error {
		p, err := s.keysOf(tx, person)
		if err != nil {
			return err
		}
		if err := berth.ValidateName("name", name); err != nil {
			return err
		}
		if key, err = berth.ParseSSHKey(text); err != nil {
			return err
		}
		if err := s.freeKey(tx, p, name, key); err != nil {
			return err
		}
		key.ID, key.Person, key.Name, key.CreatedAt = berth.NewID(), p.ID, name, tx.Now()
		if err := tx.CreateSSHKey(key); err != nil {
			return err
		}
		return s.keyEvent(tx, "key.added", p, key, "lets %s in by SSH")
	})
	return key, err
}

// freeKey refuses a key that anybody has, and one too many.
func (s *Service) freeKey(tx Tx, p berth.Person, name string, key berth.SSHKey) error {
	known, owner, ok, err := tx.SSHKey(key.Fingerprint)
	switch {
	case err != nil:
		return err
	case ok && owner.ID == p.ID && known.Name != name:
		return berth.Errorf(berth.EConflict, "this key is there already, as %s", known.Name)
	case ok && owner.ID != p.ID:
		return berth.Errorf(berth.EConflict, "this key is somebody else's already: a key says who logs in, so everybody needs their own")
	}
	there, err := tx.SSHKeys(p.ID)
	if err == nil && len(there) >= maxKeys {
		err = berth.Errorf(berth.EConflict, "%d keys are the most that one person may have: remove some first", maxKeys)
	}
	return err
}

// Keys lists a person's SSH keys.
func (s *Service) Keys(ctx context.Context, person string) (list []berth.SSHKey, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.keysOf(tx, person)
		if err != nil {
			return err
		}
		list, err = tx.SSHKeys(p.ID)
		return err
	})
	return list, err
}

// DeleteKey ends a key, and with it the connections that it let in.
func (s *Service) DeleteKey(ctx context.Context, person, name string) error {
	return s.update(ctx, func(tx Tx) error {
		p, err := s.keysOf(tx, person)
		if err != nil {
			return err
		}
		key, err := tx.DeleteSSHKey(p.ID, name)
		if err != nil {
			return err
		}
		return s.keyEvent(tx, "key.deleted", p, key, "no longer lets %s in")
	})
}

func (s *Service) keyEvent(tx Tx, kind string, p berth.Person, key berth.SSHKey, did string) error {
	return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: kind, Message: fmt.Sprintf("key %s (%s) "+did, key.Name, key.Fingerprint, p.Name)})
}

// PersonOfKey says whose SSH key in wire format this is, and which; EUnauthenticated for nobody's. It does the
// same work for either.
func (c *Control) PersonOfKey(ctx context.Context, blob []byte) (caller berth.Caller, key berth.SSHKey, err error) {
	fingerprint := berth.KeyFingerprint(blob)
	var p berth.Person
	var ok bool
	err = c.Store.View(ctx, func(tx Tx) (err error) {
		key, p, ok, err = tx.SSHKey(fingerprint)
		return err
	})
	if err == nil && !ok {
		err = berth.Errorf(berth.EUnauthenticated, "this key is nobody's: berth key add NAME FILE adds it")
	}
	if err != nil {
		return berth.Caller{}, berth.SSHKey{}, err
	}
	return callerOf(p), key, nil
}

// UsedKey notes that a key let its person in, unless that is known.
func (c *Control) UsedKey(ctx context.Context, key berth.SSHKey) error {
	if c.Now().Sub(key.LastUsed) <= touchEvery {
		return nil
	}
	return c.Store.Update(ctx, func(tx Tx) error { return tx.TouchSSHKey(key.ID) })
}

// sshServer is where the server answers SSH.
func (c *Control) sshServer() berth.SSHServer {
	if c.SSH == nil {
		return berth.SSHServer{}
	}
	return c.SSH()
}
