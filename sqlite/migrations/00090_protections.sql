-- +goose Up
-- Who may ask a deployment's hosts. With an empty element: every host that has no row of its own.
CREATE TABLE protections (
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    element    TEXT NOT NULL,
    identifier TEXT NOT NULL,
    hash       TEXT NOT NULL,
    allow      TEXT NOT NULL,
    PRIMARY KEY (deployment, element, identifier)
) STRICT, WITHOUT ROWID;
