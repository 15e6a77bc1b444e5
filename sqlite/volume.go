package sqlite

import "github.com/berth-dev/berth"

// PutVolume stores what is known of a volume.
func (tx *Tx) PutVolume(v berth.Volume) error {
	tx.touch(v.Deployment)
	_, err := tx.write("store volume", "the deployment is gone",
		`INSERT INTO volumes (deployment, element, identifier, uid, gid, size_bytes, used_bytes, detached) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		 ON CONFLICT DO UPDATE SET uid = excluded.uid, gid = excluded.gid, size_bytes = excluded.size_bytes,
		 used_bytes = excluded.used_bytes, detached = excluded.detached`,
		v.Deployment, v.Element, v.Identifier, v.UID, v.GID, v.SizeBytes, v.UsedBytes, v.Detached)
	return err
}

// Volumes returns a deployment's volumes by element and identifier.
func (tx *Tx) Volumes(deployment berth.ID) ([]berth.Volume, error) {
	return all(tx, "list volumes", func(r row) (v berth.Volume, err error) {
		err = r.Scan(&v.Deployment, &v.Element, &v.Identifier, &v.UID, &v.GID, &v.SizeBytes, &v.UsedBytes, &v.Detached)
		return v, err
	}, `SELECT deployment, element, identifier, uid, gid, size_bytes, used_bytes, detached FROM volumes
	    WHERE deployment = ? ORDER BY element, identifier`, deployment)
}

// DeleteVolume forgets a volume; one that does not exist is no error.
func (tx *Tx) DeleteVolume(deployment berth.ID, element, identifier string) error {
	tx.touch(deployment)
	_, err := tx.write("delete volume", "",
		`DELETE FROM volumes WHERE deployment = ? AND element = ? AND identifier = ?`, deployment, element, identifier)
	return err
}
