package sqlite

import (
	"database/sql"

	"github.com/berth-dev/berth"
)

const buildColumns = `id, project, deployment, release, element, "commit", key, state, image, message, attempts, created_at, started_at, ended_at, spec`

func scanBuild(r row) (b berth.Build, err error) {
	var release sql.NullString
	err = r.Scan(&b.ID, &b.Project, &b.Deployment, &release, &b.Element, &b.Commit, &b.Key, &b.State, &b.Image, &b.Message, &b.Attempts,
		stampInto{&b.CreatedAt}, stampInto{&b.StartedAt}, stampInto{&b.EndedAt}, &b.Spec)
	b.Release = berth.ID(release.String)
	return b, err
}

func noBuild(id any) error { return berth.Errorf(berth.ENotFound, "there is no build %v", id) }

// CreateBuild stores a new build; its zero CreatedAt becomes Now.
func (tx *Tx) CreateBuild(b berth.Build) error {
	if b.CreatedAt.IsZero() {
		b.CreatedAt = tx.now
	}
	tx.touch(b.Deployment)
	_, err := tx.write("create build", "the deployment or release of the build is gone, or the build exists",
		`INSERT INTO builds (`+buildColumns+`) VALUES (?, ?, ?, nullif(?, ''), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.ID, b.Project, b.Deployment, b.Release, b.Element, b.Commit, b.Key, b.State, b.Image, b.Message, b.Attempts,
		stamp(b.CreatedAt), stamp(b.StartedAt), stamp(b.EndedAt), b.Spec)
	return err
}

// UpdateBuild stores state, image, message, attempts and times of a build. A build that ended stays as it
// ended: a late word of its runner changes nothing.
func (tx *Tx) UpdateBuild(b berth.Build) error {
	stored, err := tx.Build(b.ID)
	if err != nil {
		return err
	}
	if stored.State.Done() {
		return nil
	}
	tx.touch(stored.Deployment)
	return tx.change("update build", "the build is fixed", noBuild(b.ID),
		`UPDATE builds SET state = ?, image = ?, message = ?, attempts = ?, started_at = ?, ended_at = ? WHERE id = ?`,
		b.State, b.Image, b.Message, b.Attempts, stamp(b.StartedAt), stamp(b.EndedAt), b.ID)
}

// MoveBuild gives a build that has not ended to another release of its deployment.
func (tx *Tx) MoveBuild(id, release berth.ID) error {
	stored, err := tx.Build(id)
	if err != nil || stored.State.Done() {
		return err
	}
	tx.touch(stored.Deployment)
	return tx.change("move build", "", noRelease(release),
		`UPDATE builds SET release = ? WHERE id = ? AND EXISTS (SELECT 1 FROM releases r WHERE r.id = ? AND r.deployment = builds.deployment)`, release, id, release)
}

// Build finds a build by id. It is for the server's own loops; a person's id goes through BuildOf.
func (tx *Tx) Build(id berth.ID) (berth.Build, error) {
	return must(tx, "read build", noBuild(id), scanBuild, `SELECT `+buildColumns+` FROM builds WHERE id = ?`, id)
}

// BuildOf finds a build of one deployment: an id of another deployment is not found.
func (tx *Tx) BuildOf(deployment, id berth.ID) (berth.Build, error) {
	return must(tx, "read build", noBuild(id), scanBuild,
		`SELECT `+buildColumns+` FROM builds WHERE deployment = ? AND id = ?`, deployment, id)
}

// Builds returns those of a deployment, newest first.
func (tx *Tx) Builds(deployment berth.ID) ([]berth.Build, error) {
	return tx.builds(`deployment = ? ORDER BY created_at DESC, rowid DESC`, deployment)
}

// BuildsOfRelease returns those of a release, oldest first.
func (tx *Tx) BuildsOfRelease(release berth.ID) ([]berth.Build, error) {
	return tx.builds(`release = ? ORDER BY created_at, rowid`, release)
}

// QueuedBuilds returns those that wait, oldest first.
func (tx *Tx) QueuedBuilds() ([]berth.Build, error) {
	return tx.builds(`state = 'queued' ORDER BY created_at, rowid`)
}

// RunningBuilds returns those that run, or that a killed server left so, oldest first.
func (tx *Tx) RunningBuilds() ([]berth.Build, error) {
	return tx.builds(`state = 'running' ORDER BY created_at, rowid`)
}

func (tx *Tx) builds(which string, args ...any) ([]berth.Build, error) {
	return all(tx, "list builds", scanBuild, `SELECT `+buildColumns+` FROM builds WHERE `+which, args...)
}

// SucceededBuild returns the newest build of a project that made an image from the same content.
func (tx *Tx) SucceededBuild(project berth.ID, key string) (b berth.Build, ok bool, err error) {
	return one(tx, "read build", scanBuild,
		`SELECT `+buildColumns+` FROM builds WHERE project = ? AND key = ? AND state = 'succeeded' ORDER BY ended_at DESC, rowid DESC LIMIT 1`,
		project, key)
}

// BuiltImages returns the ids of all images that some build of a deployment that still exists made.
func (tx *Tx) BuiltImages() ([]string, error) {
	return all(tx, "list built images", scanValue[string], `SELECT DISTINCT image FROM builds WHERE image <> ''`)
}

// ImageInUse reports whether a stored release runs an image: also one that the build of another
// deployment made, which may be gone by now.
func (tx *Tx) ImageInUse(image string) (bool, error) {
	_, used, err := one(tx, "look up image", scanValue[int64], `SELECT 1 FROM release_elements WHERE instr(elements, ?) > 0 LIMIT 1`, image)
	return used, err
}

// LooseBuilds returns those that made an image for a release that is forgotten.
func (tx *Tx) LooseBuilds() ([]berth.Build, error) {
	return tx.builds(`release IS NULL AND state = 'succeeded' ORDER BY created_at, rowid`)
}

// DeleteBuild forgets a build that ended.
func (tx *Tx) DeleteBuild(id berth.ID) error {
	stored, err := tx.Build(id)
	if err != nil {
		return err
	}
	tx.touch(stored.Deployment)
	return tx.change("delete build", "", noBuild(id), `DELETE FROM builds WHERE id = ? AND state NOT IN ('queued', 'running')`, id)
}
