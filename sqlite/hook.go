package sqlite

import (
	"time"

	"github.com/berth-dev/berth"
)

const hookColumns = `project, path, sealed, created_at, heard_at, heard`

func scanHook(r row) (h berth.StoredHook, err error) {
	err = r.Scan(&h.Project, &h.Path, &h.Sealed, stampInto{&h.CreatedAt}, stampInto{&h.HeardAt}, &h.Heard)
	return h, err
}

// PutHook stores a project's webhook in the place of an earlier one, whose deliveries are forgotten.
func (tx *Tx) PutHook(h berth.StoredHook) error {
	if _, err := tx.write("forget hook", "", `DELETE FROM hooks WHERE project = ?`, h.Project); err != nil {
		return err
	}
	_, err := tx.write("store hook", "the project is gone", `INSERT INTO hooks (`+hookColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
		h.Project, h.Path, h.Sealed, stamp(h.CreatedAt), stamp(h.HeardAt), h.Heard)
	return err
}

// Hook returns a project's webhook; ok is false where there is none.
func (tx *Tx) Hook(project berth.ID) (h berth.StoredHook, ok bool, err error) {
	return one(tx, "read hook", scanHook, `SELECT `+hookColumns+` FROM hooks WHERE project = ?`, project)
}

// HookByPath finds a webhook by the secret part of its URL.
func (tx *Tx) HookByPath(path string) (berth.StoredHook, error) {
	return must(tx, "read hook", berth.Errorf(berth.ENotFound, "there is no such hook"), scanHook, `SELECT `+hookColumns+` FROM hooks WHERE path = ?`, path)
}

// HearHook notes a delivery, and reports whether it is the first with its hash since a time; what is older is
// forgotten.
func (tx *Tx) HearHook(project berth.ID, hash, heard string, since time.Time) (first bool, err error) {
	if _, err := tx.write("forget deliveries", "", `DELETE FROM hook_deliveries WHERE project = ? AND at < ?`, project, stamp(since)); err != nil {
		return false, err
	}
	known, _, err := one(tx, "look up delivery", scanValue[int], `SELECT 1 FROM hook_deliveries WHERE project = ? AND hash = ?`, project, hash)
	if err != nil || known == 1 {
		return false, err
	}
	if _, err := tx.write("note delivery", "", `INSERT INTO hook_deliveries (project, hash, at) VALUES (?, ?, ?)`, project, hash, stamp(tx.now)); err != nil {
		return false, err
	}
	_, err = tx.write("note delivery", "", `UPDATE hooks SET heard_at = ?, heard = ? WHERE project = ?`, stamp(tx.now), heard, project)
	return true, err
}
