package sqlite

import "github.com/berth-dev/berth"

const personColumns = `p.id, p.name, p.role, p.created_at, p.joined_at`

func personInto(p *berth.Person) []any {
	return []any{&p.ID, &p.Name, &p.Role, stampInto{&p.CreatedAt}, stampInto{&p.JoinedAt}}
}

func scanPerson(r row) (p berth.Person, err error) {
	err = r.Scan(personInto(&p)...)
	return p, err
}

func noPerson(who any) error { return berth.Errorf(berth.ENotFound, "there is no person %v", who) }

// CreatePerson stores a new person; a zero CreatedAt becomes Now.
func (tx *Tx) CreatePerson(p berth.Person) error {
	if p.CreatedAt.IsZero() {
		p.CreatedAt = tx.now
	}
	_, err := tx.write("create person", "there is a person named "+p.Name+" already",
		`INSERT INTO persons (id, name, role, created_at, joined_at) VALUES (?, ?, ?, ?, ?)`, p.ID, p.Name, p.Role, stamp(p.CreatedAt), stamp(p.JoinedAt))
	return err
}

// UpdatePerson stores name, role and when the person joined.
func (tx *Tx) UpdatePerson(p berth.Person) error {
	tx.touch("")
	return tx.change("update person", "there is a person named "+p.Name+" already", noPerson(p.Name),
		`UPDATE persons SET name = ?, role = ?, joined_at = ? WHERE id = ?`, p.Name, p.Role, stamp(p.JoinedAt), p.ID)
}

// DeletePerson removes a person with all that lets them in; what they did stays told.
func (tx *Tx) DeletePerson(id berth.ID) error {
	tx.touch("")
	return tx.change("delete person", "", noPerson(id), `DELETE FROM persons WHERE id = ?`, id)
}

// Password returns the hash of a person's password, empty where there is none.
func (tx *Tx) Password(person berth.ID) (hash string, err error) {
	return must(tx, "read password", noPerson(person), scanValue[string], `SELECT password FROM persons WHERE id = ?`, person)
}

// PutPassword stores the hash of a person's password, in place of the one before.
func (tx *Tx) PutPassword(person berth.ID, hash string) error {
	return tx.change("store password", "", noPerson(person), `UPDATE persons SET password = ? WHERE id = ?`, hash, person)
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

// FirstOwner returns the owner of the server who has been a person longest.
func (tx *Tx) FirstOwner() (p berth.Person, ok bool, err error) {
	return one(tx, "find owner", scanPerson, `SELECT `+personColumns+` FROM persons p WHERE p.role = ? ORDER BY p.created_at, p.rowid LIMIT 1`, berth.RoleOwner)
}

// PutMembership gives a person a role on a project, in place of the one before.
func (tx *Tx) PutMembership(m berth.Membership) error {
	tx.touch("")
	_, err := tx.write("store membership", "the person or the project is gone",
		`INSERT INTO memberships (person, project, role) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET role = excluded.role`,
		m.Person, m.Project, m.Role)
	return err
}

// DeleteMembership ends a membership; one that does not exist is no error.
func (tx *Tx) DeleteMembership(person, project berth.ID) error {
	tx.touch("")
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

// AllMemberships returns what everybody may do on single projects, by person and the project's name.
func (tx *Tx) AllMemberships() (map[berth.ID][]berth.ProjectRole, error) {
	return tx.membershipsOf(`TRUE`)
}

// MembershipsOf returns what a person may do on single projects, by the project's name.
func (tx *Tx) MembershipsOf(person berth.ID) ([]berth.ProjectRole, error) {
	all, err := tx.membershipsOf(`m.person = ?`, person)
	return all[person], err
}

func (tx *Tx) membershipsOf(condition string, args ...any) (map[berth.ID][]berth.ProjectRole, error) {
	type owned struct {
		person berth.ID
		role   berth.ProjectRole
	}
	list, err := all(tx, "list memberships", func(r row) (o owned, err error) {
		err = r.Scan(&o.person, &o.role.Project, &o.role.Role)
		return o, err
	}, `SELECT m.person, p.name, m.role FROM memberships m JOIN projects p ON p.id = m.project WHERE `+condition+` ORDER BY p.name`, args...)
	by := map[berth.ID][]berth.ProjectRole{}
	for _, o := range list {
		by[o.person] = append(by[o.person], o.role)
	}
	return by, err
}

// RoleOn returns what a person's membership of a project allows, RoleNone without one. The person's
// role on the server is not part of it.
func (tx *Tx) RoleOn(person, project berth.ID) (berth.Role, error) {
	role, _, err := one(tx, "read membership", scanValue[berth.Role],
		`SELECT role FROM memberships WHERE person = ? AND project = ?`, person, project)
	return role, err
}
