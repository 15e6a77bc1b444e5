-- +goose Up
-- When a deployment goes to sleep by itself.
ALTER TABLE deployments ADD COLUMN rest TEXT NOT NULL DEFAULT '{}';
