-- +goose Up
ALTER TABLE projects ADD COLUMN access TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN deploy_key TEXT NOT NULL DEFAULT '';

-- Which commit of a package that has a Git URL a release runs.
CREATE TABLE release_packages (
    release  TEXT NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    package  TEXT NOT NULL,
    "commit" TEXT NOT NULL,
    PRIMARY KEY (release, package)
) STRICT, WITHOUT ROWID;

CREATE TABLE registries (
    host       TEXT PRIMARY KEY,
    username   TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
