package sqlite

import (
	"time"

	"github.com/berth-dev/berth"
)

const hostColumns = `h.label, h.deployment, h.element, h.identifier, h.redirect_to, h.until`

func scanHost(r row) (h berth.Host, err error) {
	err = r.Scan(&h.Label, &h.Deployment, &h.Element, &h.Identifier, &h.RedirectTo, stampInto{&h.Until})
	return h, err
}

// AddHost stores a host's label; Name and URL follow from the base domain and are not stored.
// EConflict when the label is taken. A label that only redirected and whose time is over is free.
func (tx *Tx) AddHost(h berth.Host) error {
	if err := tx.touchList(aboutDeployments, h.Deployment); err != nil {
		return err
	}
	if _, err := tx.write("expire host", "",
		`DELETE FROM hosts WHERE label = ? AND redirect_to <> '' AND until <= ?`, h.Label, stamp(tx.now)); err != nil {
		return err
	}
	_, err := tx.write("add host", "the host "+h.Label+" is taken",
		`INSERT INTO hosts (label, deployment, element, identifier, redirect_to, until) VALUES (?, ?, ?, ?, ?, ?)`,
		h.Label, h.Deployment, h.Element, h.Identifier, h.RedirectTo, stamp(h.Until))
	return err
}

// Hosts returns a deployment's hosts in the order they were added, without former labels.
func (tx *Tx) Hosts(deployment berth.ID) ([]berth.Host, error) {
	return all(tx, "list hosts", scanHost,
		`SELECT `+hostColumns+` FROM hosts h WHERE h.deployment = ? AND h.redirect_to = '' ORDER BY h.rowid`, deployment)
}

// HostByLabel finds a host, a former label within its time included.
func (tx *Tx) HostByLabel(label string) (berth.Host, error) {
	return must(tx, "read host", berth.Errorf(berth.ENotFound, "there is no host %s", label), scanHost,
		`SELECT `+hostColumns+` FROM hosts h WHERE h.label = ? AND (h.redirect_to = '' OR h.until > ?)`, label, stamp(tx.now))
}

// AllHosts returns every host of the server, former labels within their time included.
func (tx *Tx) AllHosts() ([]berth.Host, error) {
	return all(tx, "list hosts", scanHost,
		`SELECT `+hostColumns+` FROM hosts h WHERE h.redirect_to = '' OR h.until > ? ORDER BY h.rowid`, stamp(tx.now))
}

// RenameHost gives a host a new label; the old one, and those that led to it, redirect there until then. A former label
// of the host itself becomes its label again. EConflict when the label is taken.
func (tx *Tx) RenameHost(from, to string, until time.Time) error {
	h, err := tx.HostByLabel(from)
	if err != nil {
		return err
	}
	if h.RedirectTo != "" {
		return berth.Errorf(berth.EInvalid, "%s is a former name of %s: rename that one", from, h.RedirectTo)
	}
	if _, err := tx.write("free label", "",
		`DELETE FROM hosts WHERE label = ? AND redirect_to <> '' AND (redirect_to = ? OR until <= ?)`, to, from, stamp(tx.now)); err != nil {
		return err
	}
	if _, err := tx.write("rename host", "the host "+to+" is taken", `UPDATE hosts SET label = ? WHERE label = ?`, to, from); err != nil {
		return err
	}
	if _, err := tx.write("rename host", "", `UPDATE hosts SET redirect_to = ? WHERE redirect_to = ?`, to, from); err != nil {
		return err
	}
	h.Label, h.RedirectTo, h.Until = from, to, until
	return tx.AddHost(h)
}

// DeleteHost forgets a label and those that lead to it; one that does not exist is no error.
func (tx *Tx) DeleteHost(label string) error {
	h, ok, err := one(tx, "read host", scanHost, `SELECT `+hostColumns+` FROM hosts h WHERE h.label = ?`, label)
	if err != nil || !ok {
		return err
	}
	if err := tx.touchList(aboutDeployments, h.Deployment); err != nil {
		return err
	}
	_, err = tx.write("delete host", "", `DELETE FROM hosts WHERE label = ? OR redirect_to = ?`, label, label)
	return err
}
