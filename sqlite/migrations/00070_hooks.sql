-- +goose Up
-- How a Git host tells a project that a branch moved.
CREATE TABLE hooks (
    project    TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    path       TEXT NOT NULL UNIQUE,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    heard_at   INTEGER NOT NULL DEFAULT 0,
    heard      TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- The hashes of what was delivered lately, so that nothing is heard twice.
CREATE TABLE hook_deliveries (
    project TEXT NOT NULL REFERENCES hooks (project) ON DELETE CASCADE,
    hash    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (project, hash)
) STRICT, WITHOUT ROWID;
