-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Accounts live in the shard of the user id. Times are Unix milliseconds. A row is never deleted: its name stays taken.
CREATE TABLE users (
    shard         int     NOT NULL,
    user_id       text    NOT NULL COLLATE "C",
    display_name  text    NOT NULL DEFAULT '',
    avatar_url    text    NOT NULL DEFAULT '',
    phone         text    NOT NULL DEFAULT '' COLLATE "C",
    password_hash text    NOT NULL,          -- PHC string; empty once deactivated
    created_at    bigint  NOT NULL,
    active        boolean NOT NULL DEFAULT true,
    PRIMARY KEY (user_id, shard)
) PARTITION BY LIST (shard);

-- A device exists while it is logged in. Of tokens only the SHA-256 is kept. next_* is the pair that a refresh gave and
-- that nobody has used yet.
CREATE TABLE devices (
    shard              int    NOT NULL,
    user_id            text   NOT NULL COLLATE "C",
    device_id          text   NOT NULL COLLATE "C",
    name               text   NOT NULL,
    created_at         bigint NOT NULL,
    last_seen_at       bigint NOT NULL,
    access_hash        bytea  NOT NULL,
    refresh_hash       bytea  NOT NULL,
    access_until       bigint NOT NULL,
    refresh_until      bigint NOT NULL,
    next_access_hash   bytea,
    next_refresh_hash  bytea,
    next_access_until  bigint NOT NULL DEFAULT 0,
    next_refresh_until bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, device_id, shard)
) PARTITION BY LIST (shard);
CREATE UNIQUE INDEX devices_access ON devices (access_hash, shard);
CREATE UNIQUE INDEX devices_refresh ON devices (refresh_hash, shard);
CREATE UNIQUE INDEX devices_next_access ON devices (next_access_hash, shard);
CREATE UNIQUE INDEX devices_next_refresh ON devices (next_refresh_hash, shard);

-- Tokens beside those of devices: refresh tokens that were rotated out, whose use ends the device, and socket tickets,
-- which are good once.
CREATE TABLE spent_tokens (
    shard     int    NOT NULL,
    hash      bytea  NOT NULL,
    kind      text   NOT NULL,               -- refresh, ticket
    user_id   text   NOT NULL COLLATE "C",
    device_id text   NOT NULL COLLATE "C",
    origin    text   NOT NULL DEFAULT '',
    until     bigint NOT NULL,
    PRIMARY KEY (hash, shard)
) PARTITION BY LIST (shard);
CREATE INDEX spent_tokens_device ON spent_tokens (user_id, device_id, shard);
CREATE INDEX spent_tokens_until ON spent_tokens (until, shard);

-- Who has a phone number, in the shard of the number. A claim without its user is taken over after a while.
CREATE TABLE phone_numbers (
    shard      int    NOT NULL,
    number     text   NOT NULL COLLATE "C",
    user_id    text   NOT NULL COLLATE "C",
    claimed_at bigint NOT NULL,
    PRIMARY KEY (number, shard)
) PARTITION BY LIST (shard);

CREATE TABLE registration_tokens (
    shard     int    NOT NULL,
    hash      bytea  NOT NULL,
    uses_left int    NOT NULL,
    until     bigint NOT NULL,
    PRIMARY KEY (hash, shard)
) PARTITION BY LIST (shard);
