-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- The keys of other servers as they published them, where something that is kept was verified by them; in the database of the server's
-- shard. got is when, in Unix milliseconds.
CREATE TABLE peer_keys (
    server   text   PRIMARY KEY COLLATE "C",
    document bytea  NOT NULL,
    got      bigint NOT NULL
);
