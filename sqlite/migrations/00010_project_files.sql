-- +goose Up
-- The diploi.yaml that counts for commits that have none.
CREATE TABLE project_files (
    project    TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    origin     TEXT NOT NULL,
    text       TEXT NOT NULL,
    notes      TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
