-- +goose Up
-- What the Git host was told of a release's commit: '', pending, success, failure, cancelled, or refused where it did
-- not take it.
ALTER TABLE releases ADD COLUMN reported TEXT NOT NULL DEFAULT '';
CREATE INDEX releases_reported_pending ON releases (deployment) WHERE reported = 'pending';

-- How a project and the host of its commits get on.
CREATE TABLE origin_states (
    project      TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    polled_at    INTEGER NOT NULL DEFAULT 0,
    next_poll_at INTEGER NOT NULL DEFAULT 0,
    poll_error   TEXT NOT NULL DEFAULT '',
    reported_at  INTEGER NOT NULL DEFAULT 0,
    report_error TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
