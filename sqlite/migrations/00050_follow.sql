-- +goose Up
-- The head of its branch that a deployment has acted upon, so that every push is acted upon once. "" where
-- the branch was gone.
CREATE TABLE followed (
    deployment TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    head       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Branches that a push may neither rewrite nor delete.
ALTER TABLE projects ADD COLUMN protected TEXT NOT NULL DEFAULT '[]';
