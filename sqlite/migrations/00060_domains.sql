-- +goose Up
-- Names of a team's own. One belongs to one deployment, and serves once the DNS was seen to lead here.
CREATE TABLE domains (
    name       TEXT PRIMARY KEY,
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    element    TEXT NOT NULL,
    identifier TEXT NOT NULL,
    proven     INTEGER NOT NULL DEFAULT 0,
    message    TEXT NOT NULL DEFAULT '',
    checked_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX domains_of_deployment ON domains (deployment);
