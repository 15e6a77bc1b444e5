-- +goose Up
-- What a release of a development deployment is made of: the project file as it was applied, already read.
CREATE TABLE stacks (
    release TEXT PRIMARY KEY REFERENCES releases (id) ON DELETE CASCADE,
    stack   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A working tree's project file as it was last seen, so that nothing is said or done twice about it.
CREATE TABLE saved_files (
    deployment TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Values for all elements of all deployments of a project.
CREATE TABLE shared_settings (
    project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    ref     TEXT NOT NULL,
    PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
