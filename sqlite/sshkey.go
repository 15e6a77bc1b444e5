package sqlite

import "github.com/berth-dev/berth"

const sshKeyColumns = `k.id, k.person, k.name, k.type, k.fingerprint, k.blob, k.created_at, k.last_used`

func sshKeyInto(k *berth.SSHKey) []any {
	return []any{&k.ID, &k.Person, &k.Name, &k.Type, &k.Fingerprint, &k.Blob, stampInto{&k.CreatedAt}, stampInto{&k.LastUsed}}
}

// CreateSSHKey stores a person's public key; EConflict where that person has one of this name.
func (tx *Tx) CreateSSHKey(k berth.SSHKey) error {
	_, err := tx.write("store SSH key", "there is a key named "+k.Name+" already: remove it first, or choose another name",
		`INSERT INTO ssh_keys (id, person, name, type, fingerprint, blob, created_at, last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		k.ID, k.Person, k.Name, k.Type, k.Fingerprint, k.Blob, stamp(k.CreatedAt), stamp(k.LastUsed))
	return err
}

// SSHKeys returns a person's keys by name.
func (tx *Tx) SSHKeys(person berth.ID) ([]berth.SSHKey, error) {
	return all(tx, "list SSH keys", func(r row) (k berth.SSHKey, err error) {
		err = r.Scan(sshKeyInto(&k)...)
		return k, err
	}, `SELECT `+sshKeyColumns+` FROM ssh_keys k WHERE k.person = ? ORDER BY k.name`, person)
}

// SSHKey finds a key by its fingerprint, and whose it is; ok is false for nobody's.
func (tx *Tx) SSHKey(fingerprint string) (k berth.SSHKey, p berth.Person, ok bool, err error) {
	k, ok, err = one(tx, "read SSH key", func(r row) (k berth.SSHKey, err error) {
		err = r.Scan(append(sshKeyInto(&k), personInto(&p)...)...)
		return k, err
	}, `SELECT `+sshKeyColumns+`, `+personColumns+` FROM ssh_keys k JOIN persons p ON p.id = k.person WHERE k.fingerprint = ?`, fingerprint)
	return k, p, ok, err
}

// TouchSSHKey notes that a key was used now. It makes no hint.
func (tx *Tx) TouchSSHKey(id berth.ID) error {
	_, err := tx.write("touch SSH key", "", `UPDATE ssh_keys SET last_used = ? WHERE id = ?`, stamp(tx.now), id)
	return err
}

// DeleteSSHKey ends a key, and returns what it was.
func (tx *Tx) DeleteSSHKey(person berth.ID, name string) (berth.SSHKey, error) {
	return must(tx, "delete SSH key", berth.Errorf(berth.ENotFound, "there is no key named %s", name), func(r row) (k berth.SSHKey, err error) {
		err = r.Scan(sshKeyInto(&k)...)
		return k, err
	}, `DELETE FROM ssh_keys AS k WHERE k.person = ? AND k.name = ? RETURNING id, person, name, type, fingerprint, blob, created_at, last_used`, person, name)
}

// PutHostKey stores the sealed private half of a key of the server's own, unless there is one of the type.
func (tx *Tx) PutHostKey(kind string, sealed []byte) error {
	_, err := tx.write("store host key", "", `INSERT INTO ssh_host_keys (type, sealed, created_at) VALUES (?, ?, ?) ON CONFLICT (type) DO NOTHING`,
		kind, sealed, stamp(tx.now))
	return err
}

// HostKey returns the sealed private half of the server's key of a type; ok is false where there is none.
func (tx *Tx) HostKey(kind string) (sealed []byte, ok bool, err error) {
	return one(tx, "read host key", scanValue[[]byte], `SELECT sealed FROM ssh_host_keys WHERE type = ?`, kind)
}
