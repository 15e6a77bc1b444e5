package sqlite

import "github.com/berth-dev/berth"

const personColumns = `p.id, p.name, p.role, p.created_at`

func scanPerson(r row) (p berth.Person, err error) {
	err = r.Scan(&p.ID, &p.Name, &p.Role, stampInto{&p.CreatedAt})
	return p, err
}

func noPerson(who any) error { return berth.Errorf(berth.ENotFound, "there is no person %v", who) }

// CreatePerson stores a new person; a zero CreatedAt becomes Now.
func (tx *Tx) CreatePerson(p berth.Person) error {
	if p.CreatedAt.IsZero() {
		p.CreatedAt = tx.now
	}
	_, err := tx.write("create person", "there is a person named "+p.Name+" already",
		`INSERT INTO persons (id, name, role, created_at) VALUES (?, ?, ?, ?)`, p.ID, p.Name, p.Role, stamp(p.CreatedAt))
	return err
}

// Person finds a person by id.
func (tx *Tx) Person(id berth.ID) (berth.Person, error) {
	return must(tx, "read person", noPerson(id), scanPerson, `SELECT `+personColumns+` FROM persons p WHERE p.id = ?`, id)
}

// PersonByName finds a person by name.
func (tx *Tx) PersonByName(name string) (berth.Person, error) {
	return must(tx, "read person", noPerson(name), scanPerson, `SELECT `+personColumns+` FROM persons p WHERE p.name = ?`, name)
}

// Persons returns everybody by name.
func (tx *Tx) Persons() ([]berth.Person, error) {
	return all(tx, "list persons", scanPerson, `SELECT `+personColumns+` FROM persons p ORDER BY p.name`)
}

// PutMembership gives a person a role on a project, in place of the one before.
func (tx *Tx) PutMembership(m berth.Membership) error {
	_, err := tx.write("store membership", "the person or the project is gone",
		`INSERT INTO memberships (person, project, role) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET role = excluded.role`,
		m.Person, m.Project, m.Role)
	return err
}

// DeleteMembership ends a membership; one that does not exist is no error.
func (tx *Tx) DeleteMembership(person, project berth.ID) error {
	_, err := tx.write("delete membership", "", `DELETE FROM memberships WHERE person = ? AND project = ?`, person, project)
	return err
}

// Memberships returns those of a project by person.
func (tx *Tx) Memberships(project berth.ID) ([]berth.Membership, error) {
	return all(tx, "list memberships", func(r row) (m berth.Membership, err error) {
		err = r.Scan(&m.Person, &m.Project, &m.Role)
		return m, err
	}, `SELECT person, project, role FROM memberships WHERE project = ? ORDER BY person`, project)
}

// RoleOn returns what a person's membership of a project allows, RoleNone without one. The person's
// role on the server is not part of it.
func (tx *Tx) RoleOn(person, project berth.ID) (berth.Role, error) {
	role, _, err := one(tx, "read membership", scanValue[berth.Role],
		`SELECT role FROM memberships WHERE person = ? AND project = ?`, person, project)
	return role, err
}
