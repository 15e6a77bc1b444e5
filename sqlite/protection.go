package sqlite

import "github.com/berth-dev/berth"

const selectProtection = `SELECT deployment, element, identifier, hash, allow FROM protections `

func scanProtection(r row) (p berth.Protection, err error) {
	err = r.Scan(&p.Deployment, &p.Element, &p.Identifier, &p.Hash, jsonInto{&p.Allow})
	p.Password = p.Hash != ""
	return p, err
}

// Protections lists those of a deployment.
func (tx *Tx) Protections(deployment berth.ID) ([]berth.Protection, error) {
	return all(tx, "list protections", scanProtection, selectProtection+`WHERE deployment = ? ORDER BY element, identifier`, deployment)
}

// AllProtections lists those of the server.
func (tx *Tx) AllProtections() ([]berth.Protection, error) {
	return all(tx, "list protections", scanProtection, selectProtection+`ORDER BY deployment, element, identifier`)
}

// PutProtections stores all that a deployment has, in the place of what it had.
func (tx *Tx) PutProtections(deployment berth.ID, list []berth.Protection) error {
	if err := tx.touchList(aboutDeployments, deployment); err != nil {
		return err
	}
	if _, err := tx.write("forget protections", "", `DELETE FROM protections WHERE deployment = ?`, deployment); err != nil {
		return err
	}
	for _, p := range list {
		if _, err := tx.write("store protection", "", `INSERT INTO protections (deployment, element, identifier, hash, allow) VALUES (?, ?, ?, ?, ?)`,
			deployment, p.Element, p.Identifier, p.Hash, jsonOf{p.Allow}); err != nil {
			return err
		}
	}
	return nil
}
