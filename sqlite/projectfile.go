package sqlite

import "github.com/berth-dev/berth"

func scanProjectFile(r row) (f berth.ProjectFile, err error) {
	err = r.Scan(&f.Origin, &f.Text, jsonInto{&f.Notes}, stampInto{&f.ChangedAt})
	return f, err
}

// ProjectFile returns the file that is kept for a project; ok is false when there is none.
func (tx *Tx) ProjectFile(project berth.ID) (f berth.ProjectFile, ok bool, err error) {
	return one(tx, "read project file", scanProjectFile,
		`SELECT origin, text, notes, changed_at FROM project_files WHERE project = ?`, project)
}

// PutProjectFile keeps a file for a project, in the place of the one before.
func (tx *Tx) PutProjectFile(project berth.ID, f berth.ProjectFile) error {
	tx.touch("")
	_, err := tx.write("keep project file", "there is no such project",
		`INSERT OR REPLACE INTO project_files (project, origin, text, notes, changed_at) VALUES (?, ?, ?, ?, ?)`,
		project, f.Origin, f.Text, jsonOf{f.Notes}, stamp(f.ChangedAt))
	return err
}
