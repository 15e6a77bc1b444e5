package sqlite

import "github.com/berth-dev/berth"

// PutStack stores what a release is made of. A release that has a stack keeps it.
func (tx *Tx) PutStack(release berth.ID, stack []byte) error {
	_, err := tx.write("store stack", "the release is gone",
		`INSERT INTO stacks (release, stack) VALUES (?, ?) ON CONFLICT DO NOTHING`, release, string(stack))
	return err
}

// Stack returns the stack of a deployment's newest release that has one and has not failed.
func (tx *Tx) Stack(deployment berth.ID) (stack []byte, ok bool, err error) {
	return one(tx, "read stack", scanValue[[]byte],
		`SELECT s.stack FROM stacks s JOIN releases r ON r.id = s.release
		 WHERE r.deployment = ? AND r.state <> 'failed' ORDER BY r.revision DESC LIMIT 1`, deployment)
}

// PutSavedFile remembers which project file a working tree was last seen with.
func (tx *Tx) PutSavedFile(deployment berth.ID, hash string) error {
	_, err := tx.write("remember project file", "the deployment is gone",
		`INSERT INTO saved_files (deployment, hash) VALUES (?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash`, deployment, hash)
	return err
}

// SavedFile returns the hash of the project file that a working tree was last seen with, "" before the first.
func (tx *Tx) SavedFile(deployment berth.ID) (hash string, err error) {
	hash, _, err = one(tx, "recall project file", scanValue[string], `SELECT hash FROM saved_files WHERE deployment = ?`, deployment)
	return hash, err
}
