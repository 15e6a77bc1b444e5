-- +goose Up
-- Who made a link: it ends with them.
ALTER TABLE login_links ADD COLUMN maker TEXT REFERENCES persons (id) ON DELETE CASCADE;
