package sqlite

import (
	"cmp"

	"github.com/berth-dev/berth"
)

const selectDomain = `SELECT m.name, COALESCE(m.deployment, ''), COALESCE(d.slug, ''), p.id, p.name, m.element, m.identifier, m.redirect_to, m.token, m.proven, m.message,
		m.checked_at, m.created_at
	FROM domains m LEFT JOIN deployments d ON d.id = m.deployment JOIN projects p ON p.id = COALESCE(m.project, d.project) `

func scanDomain(r row) (x berth.Domain, err error) {
	err = r.Scan(&x.Name, &x.Deployment, &x.Slug, &x.ProjectID, &x.Project, &x.Element, &x.Identifier, &x.RedirectTo, &x.Token, &x.Proven, &x.Message,
		stampInto{&x.CheckedAt}, stampInto{&x.CreatedAt})
	return x, err
}

// AddDomain stores a domain of a deployment or, with none, of a project. EConflict when somebody has it: it is not
// said who.
func (tx *Tx) AddDomain(d berth.Domain) error {
	if err := tx.touchList(aboutDeployments, d.Deployment); err != nil {
		return err
	}
	var project berth.ID
	if d.Deployment == "" {
		project = d.ProjectID
	}
	_, err := tx.write("add domain", "somebody on this server has the domain "+d.Name+" already",
		`INSERT INTO domains (name, deployment, project, element, identifier, redirect_to, token, proven, message, checked_at, created_at)
			VALUES (?, NULLIF(?, ''), NULLIF(?, ''), ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.Name, d.Deployment, project, d.Element, d.Identifier, d.RedirectTo, d.Token, d.Proven, d.Message, stamp(d.CheckedAt), stamp(tx.now))
	return err
}

// UpdateDomain stores what the last look at the DNS said.
func (tx *Tx) UpdateDomain(d berth.Domain) error {
	if err := tx.touchList(aboutDeployments, d.Deployment); err != nil {
		return err
	}
	return tx.change("update domain", "", noDomain(d.Name),
		`UPDATE domains SET proven = ?, message = ?, checked_at = ? WHERE name = ? AND COALESCE(deployment, project) = ?`,
		d.Proven, d.Message, stamp(d.CheckedAt), d.Name, ownerOf(d))
}

func ownerOf(d berth.Domain) berth.ID { return cmp.Or(d.Deployment, d.ProjectID) }

// Domains lists those of a deployment, by name.
func (tx *Tx) Domains(deployment berth.ID) ([]berth.Domain, error) {
	return all(tx, "list domains", scanDomain, selectDomain+`WHERE m.deployment = ? ORDER BY m.name`, deployment)
}

// ProjectDomains lists those of a whole project, by name.
func (tx *Tx) ProjectDomains(project berth.ID) ([]berth.Domain, error) {
	return all(tx, "list domains", scanDomain, selectDomain+`WHERE m.project = ? ORDER BY m.name`, project)
}

// AllDomains lists those of the server, by name.
func (tx *Tx) AllDomains() ([]berth.Domain, error) {
	return all(tx, "list domains", scanDomain, selectDomain+`ORDER BY m.name`)
}

// Domain finds one by its name.
func (tx *Tx) Domain(name string) (berth.Domain, error) {
	return must(tx, "read domain", noDomain(name), scanDomain, selectDomain+`WHERE m.name = ?`, name)
}

// DeleteDomain forgets a domain of the deployment or project that it says it is of.
func (tx *Tx) DeleteDomain(d berth.Domain) error {
	if err := tx.touchList(aboutDeployments, d.Deployment); err != nil {
		return err
	}
	return tx.change("delete domain", "", noDomain(d.Name), `DELETE FROM domains WHERE name = ? AND COALESCE(deployment, project) = ?`, d.Name, ownerOf(d))
}

func noDomain(name string) error { return berth.Errorf(berth.ENotFound, "there is no domain %s", name) }
