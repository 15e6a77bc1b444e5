package sqlite

import "github.com/berth-dev/berth"

// PutSharedSetting stores a value for all elements of all deployments of a project. The setting's
// Deployment and Element are not used.
func (tx *Tx) PutSharedSetting(project berth.ID, s berth.Setting) error {
	_, err := tx.write("store shared setting", "the project is gone",
		`INSERT INTO shared_settings (project, name, value, ref) VALUES (?, ?, ?, ?)
		 ON CONFLICT DO UPDATE SET value = excluded.value, ref = excluded.ref`, project, s.Name, s.Value, s.Ref)
	return err
}

// DeleteSharedSetting forgets a value; one that does not exist is no error.
func (tx *Tx) DeleteSharedSetting(project berth.ID, name string) error {
	_, err := tx.write("delete shared setting", "", `DELETE FROM shared_settings WHERE project = ? AND name = ?`, project, name)
	return err
}

// SharedSettings returns a project's values by name.
func (tx *Tx) SharedSettings(project berth.ID) ([]berth.Setting, error) {
	return all(tx, "list shared settings", func(r row) (s berth.Setting, err error) {
		err = r.Scan(&s.Name, &s.Value, &s.Ref)
		return s, err
	}, `SELECT name, value, ref FROM shared_settings WHERE project = ? ORDER BY name`, project)
}
