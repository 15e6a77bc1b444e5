package sqlite

import "github.com/berth-dev/berth"

// PutSetting stores a value of an element's parameter. A person's value and a generated one of the
// same name stand side by side.
func (tx *Tx) PutSetting(s berth.Setting) error {
	tx.touch(s.Deployment)
	_, err := tx.write("store setting", "the deployment is gone",
		`INSERT INTO settings (deployment, element, name, generated, value, ref) VALUES (?, ?, ?, ?, ?, ?)
		 ON CONFLICT DO UPDATE SET value = excluded.value, ref = excluded.ref`,
		s.Deployment, s.Element, s.Name, s.Generated, s.Value, s.Ref)
	return err
}

// DeleteSetting forgets a person's value; a generated one stays for the deployment's life.
// A value that does not exist is no error.
func (tx *Tx) DeleteSetting(deployment berth.ID, element, name string) error {
	tx.touch(deployment)
	_, err := tx.write("delete setting", "",
		`DELETE FROM settings WHERE deployment = ? AND element = ? AND name = ? AND generated = 0`, deployment, element, name)
	return err
}

// Settings returns a deployment's values by element and name, the generated one of a name first.
func (tx *Tx) Settings(deployment berth.ID) ([]berth.Setting, error) {
	return all(tx, "list settings", func(r row) (s berth.Setting, err error) {
		err = r.Scan(&s.Deployment, &s.Element, &s.Name, &s.Generated, &s.Value, &s.Ref)
		return s, err
	}, `SELECT deployment, element, name, generated, value, ref FROM settings WHERE deployment = ? ORDER BY element, name, generated DESC`, deployment)
}
