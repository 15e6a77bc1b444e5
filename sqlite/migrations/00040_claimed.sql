-- +goose Up
-- A server on which somebody has a token is claimed already.
INSERT INTO meta (key, value) SELECT 'claimed', person FROM tokens LIMIT 1;
