package sqlite

import (
	"slices"

	"github.com/berth-dev/berth"
)

const eventColumns = `seq, time, project, deployment, slug, element, person, kind, message`

func scanEvent(r row) (e berth.Event, err error) {
	err = r.Scan(&e.Seq, stampInto{&e.Time}, &e.Project, &e.Deployment, &e.Slug, &e.Element, &e.Person, &e.Kind, &e.Message)
	return e, err
}

// AppendEvent records that something happened now. Project and slug, where missing, are the
// deployment's. Sequence numbers grow in the order of commits and are never used twice.
func (tx *Tx) AppendEvent(e berth.Event) error {
	tx.touch(e.Deployment)
	_, err := tx.write("append event", "",
		`INSERT INTO events (time, project, deployment, slug, element, person, kind, message) VALUES (?1,
		 coalesce(nullif(?2, ''), (SELECT project FROM deployments WHERE id = ?3), ''), ?3,
		 coalesce(nullif(?4, ''), (SELECT slug FROM deployments WHERE id = ?3), ''), ?5, ?6, ?7, ?8)`,
		stamp(tx.now), e.Project, e.Deployment, e.Slug, e.Element, e.Person, e.Kind, e.Message)
	return err
}

// Events returns events with Seq > after, oldest first: of one deployment, which may be gone by now,
// or with deployment "" all within scope. limit keeps the newest of them; 0 keeps all, so that a
// follower misses none. Events of no project are seen by those who see everything.
func (tx *Tx) Events(scope berth.Scope, deployment berth.ID, after int64, limit int) ([]berth.Event, error) {
	within, args := visible(scope, "project")
	if deployment != "" {
		within, args = within+" AND deployment = ?", append(args, deployment)
		if err := tx.mustKnow(scope, deployment, within, args); err != nil {
			return nil, err
		}
	}
	list, err := all(tx, "list events", scanEvent,
		`SELECT `+eventColumns+` FROM events WHERE `+within+` AND seq > ? ORDER BY seq DESC LIMIT ?`, append(args, after, noLimit(limit))...)
	slices.Reverse(list)
	return list, err
}

// mustKnow refuses a deployment that is not within scope, now or by its events.
func (tx *Tx) mustKnow(scope berth.Scope, deployment berth.ID, within string, args []any) error {
	_, known, err := one(tx, "look up events", scanValue[int64], `SELECT seq FROM events WHERE `+within+` LIMIT 1`, args...)
	if err != nil || known {
		return err
	}
	_, err = tx.DeploymentByID(scope, deployment)
	return err
}
