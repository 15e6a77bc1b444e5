package sqlite

import "github.com/berth-dev/berth"

// PutPackageCommit fixes the commit of a package for a release, once and for all.
func (tx *Tx) PutPackageCommit(release berth.ID, pkg, commit string) error {
	_, err := tx.write("fix package", "", `INSERT INTO release_packages (release, package, "commit") VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		release, pkg, commit)
	return err
}

// PackageCommit is the commit of a package that a release is fixed to.
func (tx *Tx) PackageCommit(release berth.ID, pkg string) (commit string, ok bool, err error) {
	return one(tx, "read package", scanValue[string], `SELECT "commit" FROM release_packages WHERE release = ? AND package = ?`, release, pkg)
}
