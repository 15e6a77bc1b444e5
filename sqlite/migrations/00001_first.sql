-- +goose Up
-- Times are Unix nanoseconds, 0 for "never". Nested values that are read and written whole are JSON.

CREATE TABLE persons (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    git_url        TEXT NOT NULL,
    git_token      TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    stages         TEXT NOT NULL,
    deleting       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    person  TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    role    TEXT NOT NULL,
    PRIMARY KEY (person, project)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_project ON memberships (project);

CREATE TABLE login_links (
    hash       BLOB PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_by_person ON tokens (person);

-- A project is deleted after its deployments, never with them.
CREATE TABLE deployments (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    slug       TEXT NOT NULL UNIQUE,
    stage      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    branch     TEXT NOT NULL,
    size       TEXT NOT NULL,
    desire     TEXT NOT NULL,
    restarts   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (project, name)
) STRICT;

-- What the reconciler saw: a table of its own, because it has a writer of its own.
-- version changes with every write, so that a reader can keep what it decoded.
CREATE TABLE observed (
    deployment TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    value      TEXT NOT NULL
) STRICT;

-- newest marks a deployment's last revision, so that a list of many deployments finds it without a search.
CREATE TABLE releases (
    id          TEXT PRIMARY KEY,
    deployment  TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    revision    INTEGER NOT NULL,
    newest      INTEGER NOT NULL,
    state       TEXT NOT NULL,
    "commit"    TEXT NOT NULL,
    cause       TEXT NOT NULL,
    message     TEXT NOT NULL,
    step        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    starting_at INTEGER NOT NULL,
    serving_at  INTEGER NOT NULL,
    hashes      TEXT,
    UNIQUE (deployment, revision)
) STRICT;
CREATE UNIQUE INDEX releases_newest ON releases (deployment) WHERE newest = 1;
CREATE INDEX releases_serving ON releases (deployment, revision) WHERE state = 'serving';

-- What a release runs, written once. Apart from the releases, because it is large and seldom read.
CREATE TABLE release_elements (
    release  TEXT PRIMARY KEY REFERENCES releases (id) ON DELETE CASCADE,
    elements TEXT NOT NULL
) STRICT;

CREATE TABLE builds (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    release    TEXT REFERENCES releases (id) ON DELETE CASCADE,
    element    TEXT NOT NULL,
    "commit"   TEXT NOT NULL,
    key        TEXT NOT NULL,
    state      TEXT NOT NULL,
    image      TEXT NOT NULL,
    message    TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    spec       BLOB
) STRICT;
CREATE INDEX builds_by_deployment ON builds (deployment);
CREATE INDEX builds_by_release ON builds (release);
CREATE INDEX builds_by_key ON builds (project, key) WHERE state = 'succeeded';
CREATE INDEX builds_open ON builds (state) WHERE state IN ('queued', 'running');

CREATE TABLE hosts (
    label       TEXT PRIMARY KEY,
    deployment  TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    element     TEXT NOT NULL,
    identifier  TEXT NOT NULL,
    redirect_to TEXT NOT NULL,
    until       INTEGER NOT NULL
) STRICT;
CREATE INDEX hosts_by_deployment ON hosts (deployment);

-- A person's value and a generated one of the same name stand side by side, so that taking the
-- person's back gives the generated one again.
CREATE TABLE settings (
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    element    TEXT NOT NULL,
    name       TEXT NOT NULL,
    generated  INTEGER NOT NULL,
    value      TEXT NOT NULL,
    ref        TEXT NOT NULL,
    PRIMARY KEY (deployment, element, name, generated)
) STRICT, WITHOUT ROWID;

-- owner is a deployment or a project. Values are sealed before they get here.
CREATE TABLE secrets (
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    owner      TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX secrets_by_owner ON secrets (owner);

CREATE TABLE volumes (
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    element    TEXT NOT NULL,
    identifier TEXT NOT NULL,
    uid        INTEGER NOT NULL,
    gid        INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL,
    detached   INTEGER NOT NULL,
    PRIMARY KEY (deployment, element, identifier)
) STRICT, WITHOUT ROWID;

-- The audit log outlives what it tells of: no foreign keys.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    time       INTEGER NOT NULL,
    project    TEXT NOT NULL,
    deployment TEXT NOT NULL,
    slug       TEXT NOT NULL,
    element    TEXT NOT NULL,
    person     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    message    TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_deployment ON events (deployment, seq);
CREATE INDEX events_by_project ON events (project, seq);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts the transactions that changed something which lists are made of.
CREATE TABLE changes (
    topic TEXT PRIMARY KEY,
    n     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
