package sqlite

import "github.com/berth-dev/berth"

const deployHookColumns = `h.deployment, h.hash, h.created_at, h.used_at, h.revision`

func scanDeployHook(r row) (h berth.StoredDeployHook, err error) {
	err = r.Scan(&h.Deployment, &h.Hash, stampInto{&h.CreatedAt}, stampInto{&h.UsedAt}, &h.Revision)
	return h, err
}

// PutDeployHook stores a deployment's deploy hook in the place of an earlier one.
func (tx *Tx) PutDeployHook(h berth.StoredDeployHook) error {
	if err := tx.DeleteDeployHook(h.Deployment); err != nil {
		return err
	}
	_, err := tx.write("store deploy hook", "the deployment is gone",
		`INSERT INTO deploy_hooks (deployment, hash, created_at, used_at, revision) VALUES (?, ?, ?, ?, ?)`,
		h.Deployment, h.Hash, stamp(h.CreatedAt), stamp(h.UsedAt), h.Revision)
	return err
}

// DeployHook returns a deployment's deploy hook; ok is false where there is none.
func (tx *Tx) DeployHook(deployment berth.ID) (h berth.StoredDeployHook, ok bool, err error) {
	return one(tx, "read deploy hook", scanDeployHook, `SELECT `+deployHookColumns+` FROM deploy_hooks h WHERE h.deployment = ?`, deployment)
}

// DeployHookOf is DeployHook by slug.
func (tx *Tx) DeployHookOf(slug string) (h berth.StoredDeployHook, ok bool, err error) {
	return one(tx, "read deploy hook", scanDeployHook,
		`SELECT `+deployHookColumns+` FROM deploy_hooks h JOIN deployments d ON d.id = h.deployment WHERE d.slug = ?`, slug)
}

// UseDeployHook notes that a deploy hook was used now, and which release it made.
func (tx *Tx) UseDeployHook(deployment berth.ID, revision int) error {
	_, err := tx.write("note use of deploy hook", "", `UPDATE deploy_hooks SET used_at = ?, revision = ? WHERE deployment = ?`, stamp(tx.now), revision, deployment)
	return err
}

// DeleteDeployHook forgets a deploy hook; one that does not exist is no error.
func (tx *Tx) DeleteDeployHook(deployment berth.ID) error {
	_, err := tx.write("forget deploy hook", "", `DELETE FROM deploy_hooks WHERE deployment = ?`, deployment)
	return err
}
