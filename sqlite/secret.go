package sqlite

import "github.com/berth-dev/berth"

func noSecret(id berth.ID, version int) error {
	return berth.Errorf(berth.ENotFound, "there is no secret %s version %d", id, version)
}

// PutSecret stores a sealed value as the next version of a secret, and returns that version. Owner is
// the deployment or project that the secret ends with. Another owner's id is EConflict.
func (tx *Tx) PutSecret(owner, id berth.ID, sealed []byte) (version int, err error) {
	other, taken, err := one(tx, "read secret", scanValue[berth.ID], `SELECT owner FROM secrets WHERE id = ? AND owner <> ? LIMIT 1`, id, owner)
	if err != nil {
		return 0, err
	}
	if taken {
		return 0, berth.Errorf(berth.EConflict, "secret %s belongs to %s", id, other)
	}
	if version, err = must(tx, "number secret", nil, scanValue[int],
		`SELECT coalesce(max(version), 0) + 1 FROM secrets WHERE id = ?`, id); err != nil {
		return 0, err
	}
	_, err = tx.write("store secret", "the secret has this version already",
		`INSERT INTO secrets (id, version, owner, sealed, created_at) VALUES (?, ?, ?, ?, ?)`, id, version, owner, sealed, stamp(tx.now))
	return version, err
}

// Secret returns the sealed value of one version.
func (tx *Tx) Secret(id berth.ID, version int) (sealed []byte, err error) {
	return must(tx, "read secret", noSecret(id, version), scanValue[[]byte],
		`SELECT sealed FROM secrets WHERE id = ? AND version = ?`, id, version)
}

// SecretOf is Secret for one that belongs to a deployment or its project.
func (tx *Tx) SecretOf(deployment, project, id berth.ID, version int) (sealed []byte, err error) {
	return must(tx, "read secret", noSecret(id, version), scanValue[[]byte],
		`SELECT sealed FROM secrets WHERE id = ? AND version = ? AND owner IN (?, ?)`, id, version, deployment, project)
}

// LatestSecret returns the newest version of a secret.
func (tx *Tx) LatestSecret(id berth.ID) (version int, sealed []byte, err error) {
	version, err = must(tx, "number secret", nil, scanValue[int], `SELECT coalesce(max(version), 0) FROM secrets WHERE id = ?`, id)
	if err != nil {
		return 0, nil, err
	}
	sealed, err = tx.Secret(id, version)
	return version, sealed, err
}

// DeleteSecret forgets all versions of a secret; one that does not exist is no error.
func (tx *Tx) DeleteSecret(id berth.ID) error {
	_, err := tx.write("delete secret", "", `DELETE FROM secrets WHERE id = ?`, id)
	return err
}

// DeleteSecrets forgets every secret of an owner.
func (tx *Tx) DeleteSecrets(owner berth.ID) error {
	_, err := tx.write("delete secrets", "", `DELETE FROM secrets WHERE owner = ?`, owner)
	return err
}
