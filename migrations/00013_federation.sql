-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- The keys of this homeserver, public parts only; those in use are in the database of shard 0. valid_until 0: no end is planned.
CREATE TABLE server_keys (
    key_id      text    PRIMARY KEY COLLATE "C",
    public_key  bytea   NOT NULL,
    valid_from  bigint  NOT NULL,
    valid_until bigint  NOT NULL DEFAULT 0,
    is_revoked  boolean NOT NULL DEFAULT false
);

-- Nonces of requests of other servers, in the database of the origin's shard, until they could not be used again anyway.
CREATE TABLE request_nonces (
    origin text   NOT NULL COLLATE "C",
    nonce  bytea  NOT NULL,
    until  bigint NOT NULL,
    PRIMARY KEY (origin, nonce)
);
CREATE INDEX request_nonces_until ON request_nonces (until);
