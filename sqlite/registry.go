package sqlite

import "github.com/berth-dev/berth"

func noRegistry(host string) error {
	return berth.Errorf(berth.ENotFound, "nobody has logged in to the registry %s", host)
}

// PutRegistry stores a login with its sealed password, in the place of an older one.
func (tx *Tx) PutRegistry(r berth.Registry, sealed []byte) error {
	_, err := tx.write("store registry", "", `INSERT INTO registries (host, username, sealed, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (host) DO UPDATE SET username = excluded.username, sealed = excluded.sealed, created_at = excluded.created_at`,
		r.Host, r.Username, sealed, stamp(r.CreatedAt))
	return err
}

const registryColumns = `host, username, created_at`

func scanRegistry(r row) (g berth.Registry, err error) {
	err = r.Scan(&g.Host, &g.Username, stampInto{&g.CreatedAt})
	return g, err
}

// Registries returns all logins by host.
func (tx *Tx) Registries() ([]berth.Registry, error) {
	return all(tx, "list registries", scanRegistry, `SELECT `+registryColumns+` FROM registries ORDER BY host`)
}

// Registry finds the login of a host, with its sealed password.
func (tx *Tx) Registry(host string) (r berth.Registry, sealed []byte, err error) {
	if r, err = must(tx, "read registry", noRegistry(host), scanRegistry, `SELECT `+registryColumns+` FROM registries WHERE host = ?`, host); err != nil {
		return r, nil, err
	}
	sealed, err = must(tx, "read registry", noRegistry(host), scanValue[[]byte], `SELECT sealed FROM registries WHERE host = ?`, host)
	return r, sealed, err
}

// DeleteRegistry forgets a login.
func (tx *Tx) DeleteRegistry(host string) error {
	return tx.change("delete registry", "", noRegistry(host), `DELETE FROM registries WHERE host = ?`, host)
}
