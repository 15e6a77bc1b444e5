package sqlite

import "github.com/berth-dev/berth"

// reportRefused stands in the place of a state that the Git host did not take.
const reportRefused = "refused"

// wantedReport is what a Git host should know of a release's commit.
const wantedReport = `CASE WHEN r.state = 'serving' THEN 'success' WHEN r.state = 'failed' THEN 'failure'
	WHEN r.state = 'superseded' AND r.serving_at <> 0 THEN 'success'
	WHEN r.state = 'superseded' OR d.desire = 'delete' THEN 'cancelled' ELSE 'pending' END`

// CommitReports returns the releases of a deployment ("": of all) whose state their Git host does not know: the
// newest, and those that it believes to be on their way. Those come of build stages, in projects with a token.
func (tx *Tx) CommitReports(deployment berth.ID) ([]berth.CommitReport, error) {
	of, args := "", []any{reportRefused}
	if deployment != "" {
		of, args = "AND d.id = ? ", append(args, deployment)
	}
	return all(tx, "list reports", func(r row) (c berth.CommitReport, err error) {
		err = r.Scan(&c.Release, &c.Deployment.ID, &c.Deployment.ProjectID, &c.Deployment.Slug, &c.Revision, &c.Commit, &c.State, &c.Newest)
		return c, err
	}, `SELECT r.id, d.id, d.project, d.slug, r.revision, r."commit", `+wantedReport+` AS wanted, r.newest
		FROM releases r JOIN deployments d ON d.id = r.deployment JOIN projects p ON p.id = d.project
		WHERE p.git_token <> '' AND p.git_url <> '' AND d.kind = 'build' AND (r.newest = 1 OR r.reported = 'pending')
		AND r.reported <> ? AND r.reported <> wanted `+of+`ORDER BY d.id, r.revision`, args...)
}

// PutReported notes what the Git host was told of a release, "" where it did not take it. It makes no hint.
func (tx *Tx) PutReported(release berth.ID, state berth.CommitState) error {
	reported := string(state)
	if state == "" {
		reported = reportRefused
	}
	_, err := tx.write("note report", "", `UPDATE releases SET reported = ? WHERE id = ?`, reported, release)
	return err
}

// ReportAgain has the newest releases of a project told that its Git host did not take.
func (tx *Tx) ReportAgain(project berth.ID) error {
	_, err := tx.write("report again", "", `UPDATE releases SET reported = '' WHERE newest = 1 AND reported = ?
		AND deployment IN (SELECT id FROM deployments WHERE project = ?)`, reportRefused, project)
	return err
}

// OriginState returns how a project and the host of its commits get on.
func (tx *Tx) OriginState(project berth.ID) (o berth.OriginState, err error) {
	o, _, err = one(tx, "read state of origin", func(r row) (o berth.OriginState, err error) {
		err = r.Scan(stampInto{&o.PolledAt}, stampInto{&o.NextPollAt}, &o.PollError, stampInto{&o.ReportedAt}, &o.ReportError, stampInto{&o.MissedAt})
		return o, err
	}, `SELECT polled_at, next_poll_at, poll_error, reported_at, report_error, missed_at FROM origin_states WHERE project = ?`, project)
	return o, err
}

// PutPolled notes a look at an origin: of o, all but what is about reports. It makes no hint.
func (tx *Tx) PutPolled(project berth.ID, o berth.OriginState) error {
	return tx.putOriginState(project, `UPDATE origin_states SET polled_at = ?, next_poll_at = ?, poll_error = ?, missed_at = ? WHERE project = ?`,
		stamp(o.PolledAt), stamp(o.NextPollAt), o.PollError, stamp(o.MissedAt), project)
}

// PutReportOutcome notes that the Git host was told something, or what went wrong with it. It makes no hint.
func (tx *Tx) PutReportOutcome(project berth.ID, failed string) error {
	if failed != "" {
		return tx.putOriginState(project, `UPDATE origin_states SET report_error = ? WHERE project = ?`, failed, project)
	}
	return tx.putOriginState(project, `UPDATE origin_states SET reported_at = ?, report_error = '' WHERE project = ?`, stamp(tx.now), project)
}

func (tx *Tx) putOriginState(project berth.ID, change string, args ...any) error {
	if _, err := tx.write("note state of origin", "the project is gone", `INSERT INTO origin_states (project) VALUES (?) ON CONFLICT DO NOTHING`, project); err != nil {
		return err
	}
	_, err := tx.write("note state of origin", "", change, args...)
	return err
}
