-- +goose Up
-- A domain may belong to a whole project: then all names one label below it lead to the project's deployments.
CREATE TABLE domains_of_both (
    name        TEXT PRIMARY KEY,
    deployment  TEXT REFERENCES deployments (id) ON DELETE CASCADE,
    project     TEXT REFERENCES projects (id) ON DELETE CASCADE,
    element     TEXT NOT NULL,
    identifier  TEXT NOT NULL,
    redirect_to TEXT NOT NULL DEFAULT '',
    token       TEXT NOT NULL DEFAULT '',
    proven      INTEGER NOT NULL DEFAULT 0,
    message     TEXT NOT NULL DEFAULT '',
    checked_at  INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    CHECK ((deployment IS NULL) <> (project IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO domains_of_both (name, deployment, element, identifier, redirect_to, token, proven, message, checked_at, created_at)
    SELECT name, deployment, element, identifier, redirect_to, token, proven, message, checked_at, created_at FROM domains;
DROP TABLE domains;
ALTER TABLE domains_of_both RENAME TO domains;
CREATE INDEX domains_of_deployment ON domains (deployment);
CREATE INDEX domains_of_project ON domains (project);
