-- +goose Up
-- When a look at an origin last found what its webhook had not told of.
ALTER TABLE origin_states ADD COLUMN missed_at INTEGER NOT NULL DEFAULT 0;
