-- +goose Up
-- A domain may send its requests to another one of the deployment, and may be proven by a TXT record with its token.
ALTER TABLE domains ADD COLUMN redirect_to TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN token TEXT NOT NULL DEFAULT '';
