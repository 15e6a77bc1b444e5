-- +goose Up
ALTER TABLE persons ADD COLUMN joined_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN password TEXT NOT NULL DEFAULT '';
-- Who made a token has been here.
UPDATE persons SET joined_at = coalesce((SELECT min(created_at) FROM tokens t WHERE t.person = persons.id), 0);

ALTER TABLE tokens ADD COLUMN role TEXT NOT NULL DEFAULT '';

-- Browsers that are logged in.
CREATE TABLE logins (
    id         TEXT PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL UNIQUE,
    device     TEXT NOT NULL,
    address    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX logins_by_person ON logins (person);
CREATE INDEX login_links_by_person ON login_links (person);
