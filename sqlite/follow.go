package sqlite

import "github.com/berth-dev/berth"

// Followed returns the head of its branch that a deployment has acted upon; ok is false before the first look.
func (tx *Tx) Followed(deployment berth.ID) (head string, ok bool, err error) {
	return one(tx, "recall head of branch", scanValue[string], `SELECT head FROM followed WHERE deployment = ?`, deployment)
}

// PutFollowed remembers the head that a deployment has acted upon; "" for a branch that is gone.
func (tx *Tx) PutFollowed(deployment berth.ID, head string) error {
	_, err := tx.write("remember head of branch", "the deployment is gone",
		`INSERT INTO followed (deployment, head) VALUES (?, ?) ON CONFLICT DO UPDATE SET head = excluded.head`, deployment, head)
	return err
}

// ForgetFollowed makes the next look at a deployment's branch its first.
func (tx *Tx) ForgetFollowed(deployment berth.ID) error {
	_, err := tx.write("forget head of branch", "", `DELETE FROM followed WHERE deployment = ?`, deployment)
	return err
}
