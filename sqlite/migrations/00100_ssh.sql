-- +goose Up
-- SSH public keys of people. A key belongs to one person: else nobody could say who logs in with it.
CREATE TABLE ssh_keys (
    id          TEXT PRIMARY KEY,
    person      TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    blob        BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    last_used   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (person, name)
) STRICT, WITHOUT ROWID;

-- The server's own keys, which every deployment shows.
CREATE TABLE ssh_host_keys (
    type       TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
