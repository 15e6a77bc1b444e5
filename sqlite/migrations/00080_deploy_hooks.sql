-- +goose Up
-- The URL by which whoever knows it has a deployment deployed.
CREATE TABLE deploy_hooks (
    deployment TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL DEFAULT 0,
    revision   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
