package sqlite

import (
	"maps"

	"github.com/berth-dev/berth"
)

// releaseHead is all of a release but its elements.
const releaseHead = `r.id, r.deployment, r.revision, r.state, r."commit", r.cause, r.message, r.step, r.created_at, r.starting_at, r.serving_at, r.hashes`

const selectRelease = `SELECT ` + releaseHead + `, e.elements FROM releases r LEFT JOIN release_elements e ON e.release = r.id `

func scanReleaseHead(r row) (berth.Release, error) { return scanReleaseAnd(r) }

func scanRelease(r row) (berth.Release, error) {
	var elements []elementColumn
	release, err := scanReleaseAnd(r, jsonInto{&elements})
	release.Elements = fromColumns(elements)
	return release, err
}

func scanReleaseAnd(r row, more ...any) (x berth.Release, err error) {
	err = r.Scan(append([]any{&x.ID, &x.Deployment, &x.Revision, &x.State, &x.Commit, &x.Cause, &x.Message, &x.Step,
		stampInto{&x.CreatedAt}, stampInto{&x.StartingAt}, stampInto{&x.ServingAt}, jsonInto{&x.Hashes}}, more...)...)
	return x, err
}

// elementColumn is a release's element as it is stored: with what its JSON for people leaves out.
type elementColumn struct {
	berth.ReleaseElement
	Volumes []volumeColumn `json:"volumes,omitempty"`
}

type volumeColumn struct {
	berth.Volume
	Deployment berth.ID `json:"deployment"`
	UID        int      `json:"uid"`
	GID        int      `json:"gid"`
}

func toColumns(elements []berth.ReleaseElement) []elementColumn {
	if elements == nil {
		return nil
	}
	columns := make([]elementColumn, len(elements))
	for i, e := range elements {
		columns[i].ReleaseElement = e
		for _, v := range e.Volumes {
			columns[i].Volumes = append(columns[i].Volumes, volumeColumn{Volume: v, Deployment: v.Deployment, UID: v.UID, GID: v.GID})
		}
	}
	return columns
}

func fromColumns(columns []elementColumn) []berth.ReleaseElement {
	if columns == nil {
		return nil
	}
	elements := make([]berth.ReleaseElement, len(columns))
	for i, c := range columns {
		elements[i] = c.ReleaseElement
		for _, v := range c.Volumes {
			v.Volume.Deployment, v.Volume.UID, v.Volume.GID = v.Deployment, v.UID, v.GID
			elements[i].Volumes = append(elements[i].Volumes, v.Volume)
		}
	}
	return elements
}

func noRelease(id any) error { return berth.Errorf(berth.ENotFound, "there is no release %v", id) }

// CreateRelease stores a new release under the deployment's next revision, and returns it so.
func (tx *Tx) CreateRelease(r berth.Release) (berth.Release, error) {
	if r.CreatedAt.IsZero() {
		r.CreatedAt = tx.now
	}
	if err := tx.touchList(aboutReleases, r.Deployment); err != nil {
		return berth.Release{}, err
	}
	var err error
	r.Revision, err = must(tx, "number release", nil, scanValue[int],
		`SELECT coalesce(max(revision), 0) + 1 FROM releases WHERE deployment = ?`, r.Deployment)
	if err != nil {
		return berth.Release{}, err
	}
	if _, err := tx.write("create release", "",
		`UPDATE releases SET newest = 0 WHERE deployment = ? AND newest = 1`, r.Deployment); err != nil {
		return berth.Release{}, err
	}
	if _, err = tx.write("create release", "the deployment is gone, or has this release already",
		`INSERT INTO releases (id, deployment, revision, newest, state, "commit", cause, message, step, created_at, starting_at, serving_at, hashes)
		 VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Deployment, r.Revision, r.State, r.Commit, r.Cause, r.Message, r.Step,
		stamp(r.CreatedAt), stamp(r.StartingAt), stamp(r.ServingAt), jsonOf{r.Hashes}); err != nil {
		return berth.Release{}, err
	}
	return r, tx.fixElements(r)
}

// UpdateRelease stores the state, commit, message, step, times and hashes of a release. Elements
// are stored the first time they are known and then fixed; nil Hashes or Elements leave what is stored.
func (tx *Tx) UpdateRelease(r berth.Release) error {
	deployment, err := must(tx, "read release", noRelease(r.ID), scanValue[berth.ID], `SELECT deployment FROM releases WHERE id = ?`, r.ID)
	if err != nil {
		return err
	}
	if err := tx.touchList(aboutReleases, deployment); err != nil {
		return err
	}
	if err := tx.change("update release", "", noRelease(r.ID),
		`UPDATE releases SET state = ?, "commit" = ?, message = ?, step = ?, starting_at = ?, serving_at = ?,
		 hashes = coalesce(nullif(?, 'null'), hashes) WHERE id = ?`,
		r.State, r.Commit, r.Message, r.Step, stamp(r.StartingAt), stamp(r.ServingAt), jsonOf{r.Hashes}, r.ID); err != nil {
		return err
	}
	return tx.fixElements(r)
}

func (tx *Tx) fixElements(r berth.Release) error {
	if r.Elements == nil {
		return nil
	}
	_, err := tx.write("store release", "", `INSERT INTO release_elements (release, elements) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		r.ID, jsonOf{toColumns(r.Elements)})
	return err
}

// Release finds a release by id.
func (tx *Tx) Release(id berth.ID) (berth.Release, error) {
	return must(tx, "read release", noRelease(id), scanRelease, selectRelease+`WHERE r.id = ?`, id)
}

// Releases returns the newest of a deployment, newest first, without their elements; limit 0 is all.
func (tx *Tx) Releases(deployment berth.ID, limit int) ([]berth.Release, error) {
	return all(tx, "list releases", scanReleaseHead,
		`SELECT `+releaseHead+` FROM releases r WHERE r.deployment = ? ORDER BY r.revision DESC LIMIT ?`, deployment, noLimit(limit))
}

// noLimit turns a limit of 0 into SQLite's word for none.
func noLimit(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// LatestRelease returns a deployment's newest release; ok is false before the first.
func (tx *Tx) LatestRelease(deployment berth.ID) (r berth.Release, ok bool, err error) {
	return one(tx, "read release", scanRelease,
		selectRelease+`WHERE r.deployment = ? AND r.newest = 1`, deployment)
}

// ServingRelease returns the release that a deployment serves; ok is false while there is none.
func (tx *Tx) ServingRelease(deployment berth.ID) (r berth.Release, ok bool, err error) {
	return one(tx, "read release", scanRelease,
		selectRelease+`WHERE r.deployment = ? AND r.state = 'serving' ORDER BY r.revision DESC LIMIT 1`, deployment)
}

// LatestReleases returns the newest release of every deployment within scope, without its elements.
// The hashes are shared with other callers: read them only.
func (tx *Tx) LatestReleases(scope berth.Scope) (map[berth.ID]berth.Release, error) {
	return tx.releasesByDeployment(scope, &tx.store.lists.latest, "r.newest = 1")
}

// ServingReleases returns the release that each deployment within scope serves, without its elements.
// The hashes are shared with other callers: read them only.
func (tx *Tx) ServingReleases(scope berth.Scope) (map[berth.ID]berth.Release, error) {
	return tx.releasesByDeployment(scope, &tx.store.lists.serving, "r.state = 'serving'")
}

func (tx *Tx) releasesByDeployment(scope berth.Scope, kept *kept[map[berth.ID]berth.Release], which string) (map[berth.ID]berth.Release, error) {
	everything, err := kept.within(tx, aboutReleases, func() (map[berth.ID]berth.Release, error) {
		list, err := all(tx, "list releases", scanReleaseHead,
			`SELECT `+releaseHead+` FROM releases r WHERE `+which+` ORDER BY r.deployment, r.revision`)
		last := make(map[berth.ID]berth.Release, len(list))
		for _, r := range list {
			last[r.Deployment] = r
		}
		return last, err
	})
	if err != nil || scope.All {
		return maps.Clone(everything), err
	}
	return ofScope(tx, scope, everything)
}

// ofScope returns what belongs to the deployments within scope.
func ofScope[T any](tx *Tx, scope berth.Scope, everything map[berth.ID]T) (map[berth.ID]T, error) {
	within, args := visible(scope, "project")
	mine, err := all(tx, "list deployments", scanValue[berth.ID], `SELECT id FROM deployments WHERE `+within, args...)
	some := make(map[berth.ID]T, len(mine))
	for _, id := range mine {
		if r, ok := everything[id]; ok {
			some[id] = r
		}
	}
	return some, err
}

// LongHistories returns the deployments that have more than so many releases.
func (tx *Tx) LongHistories(most int) ([]berth.ID, error) {
	return all(tx, "list histories", scanValue[berth.ID], `SELECT deployment FROM releases GROUP BY deployment HAVING count(*) > ?`, most)
}

// DeleteRelease forgets a release that is not its deployment's newest, with what it ran and those of its
// builds that made no image. It returns these builds, whose logs are the caller's. Builds that made one
// stay, for releases that use it: see LooseBuilds.
func (tx *Tx) DeleteRelease(id berth.ID) (gone []berth.ID, err error) {
	deployment, err := must(tx, "read release", noRelease(id), scanValue[berth.ID], `SELECT deployment FROM releases WHERE id = ? AND newest = 0`, id)
	if err != nil {
		return nil, err
	}
	if err := tx.touchList(aboutReleases, deployment); err != nil {
		return nil, err
	}
	if _, err := tx.write("keep builds", "", `UPDATE builds SET release = NULL WHERE release = ? AND state = 'succeeded'`, id); err != nil {
		return nil, err
	}
	if gone, err = all(tx, "list builds", scanValue[berth.ID], `SELECT id FROM builds WHERE release = ?`, id); err != nil {
		return nil, err
	}
	return gone, tx.change("delete release", "", noRelease(id), `DELETE FROM releases WHERE id = ?`, id)
}

// Preparing returns the projects that have a release whose images are not all known yet.
func (tx *Tx) Preparing() ([]berth.ID, error) {
	return all(tx, "list projects", scanValue[berth.ID],
		`SELECT DISTINCT d.project FROM releases r JOIN deployments d ON d.id = r.deployment WHERE r.newest = 1 AND r.state IN ('pending', 'building')`)
}
