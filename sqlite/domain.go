package sqlite

import "github.com/berth-dev/berth"

const selectDomain = `SELECT m.name, m.deployment, d.slug, m.element, m.identifier, m.redirect_to, m.token, m.proven, m.message, m.checked_at, m.created_at
	FROM domains m JOIN deployments d ON d.id = m.deployment `

func scanDomain(r row) (x berth.Domain, err error) {
	err = r.Scan(&x.Name, &x.Deployment, &x.Slug, &x.Element, &x.Identifier, &x.RedirectTo, &x.Token, &x.Proven, &x.Message, stampInto{&x.CheckedAt}, stampInto{&x.CreatedAt})
	return x, err
}

// AddDomain stores a domain. EConflict when a deployment has it: it is not said which.
func (tx *Tx) AddDomain(d berth.Domain) error {
	if err := tx.touchList(aboutDeployments, d.Deployment); err != nil {
		return err
	}
	_, err := tx.write("add domain", "a deployment of this server has the domain "+d.Name+" already",
		`INSERT INTO domains (name, deployment, element, identifier, redirect_to, token, proven, message, checked_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.Name, d.Deployment, d.Element, d.Identifier, d.RedirectTo, d.Token, d.Proven, d.Message, stamp(d.CheckedAt), stamp(tx.now))
	return err
}

// UpdateDomain stores what the last look at the DNS said.
func (tx *Tx) UpdateDomain(d berth.Domain) error {
	if err := tx.touchList(aboutDeployments, d.Deployment); err != nil {
		return err
	}
	return tx.change("update domain", "", noDomain(d.Name),
		`UPDATE domains SET proven = ?, message = ?, checked_at = ? WHERE name = ? AND deployment = ?`,
		d.Proven, d.Message, stamp(d.CheckedAt), d.Name, d.Deployment)
}

// Domains lists those of a deployment, by name.
func (tx *Tx) Domains(deployment berth.ID) ([]berth.Domain, error) {
	return all(tx, "list domains", scanDomain, selectDomain+`WHERE m.deployment = ? ORDER BY m.name`, deployment)
}

// AllDomains lists those of the server, by name.
func (tx *Tx) AllDomains() ([]berth.Domain, error) {
	return all(tx, "list domains", scanDomain, selectDomain+`ORDER BY m.name`)
}

// Domain finds one by its name.
func (tx *Tx) Domain(name string) (berth.Domain, error) {
	return must(tx, "read domain", noDomain(name), scanDomain, selectDomain+`WHERE m.name = ?`, name)
}

// DeleteDomain forgets a deployment's domain.
func (tx *Tx) DeleteDomain(deployment berth.ID, name string) error {
	if err := tx.touchList(aboutDeployments, deployment); err != nil {
		return err
	}
	return tx.change("delete domain", "", noDomain(name), `DELETE FROM domains WHERE deployment = ? AND name = ?`, deployment, name)
}

func noDomain(name string) error { return berth.Errorf(berth.ENotFound, "there is no domain %s", name) }
