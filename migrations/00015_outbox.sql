-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- What the entry of a change of the state commits to; NULL of those from before this release.
ALTER TABLE event_origins ADD COLUMN state_hash bytea;

-- Servers that follow conversations ordered here, and the seq up to which each is known to have everything, -1 without a
-- replica. The commit that gives a server a member when it has none makes a row, and that by which the last one parts closes it
-- with until_seq; it goes when the server has everything up to that.
CREATE TABLE followers (
    shard     int    NOT NULL,
    conv      bigint NOT NULL,
    server    text   NOT NULL COLLATE "C",
    since_seq bigint NOT NULL,
    until_seq bigint NOT NULL DEFAULT -1,
    acked_seq bigint NOT NULL DEFAULT -1,
    parked    text   NOT NULL DEFAULT '' COLLATE "C", -- the code with which the server refuses what it is to have
    parked_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (conv, server, since_seq, shard)
) PARTITION BY LIST (shard);
CREATE INDEX followers_server ON followers (server, conv, since_seq);
CREATE INDEX followers_parked ON followers (parked_at) WHERE parked <> '';

-- Servers that cannot be reached, in the database of the name's shard, while it is so. retry_at: the operator wants them to be
-- tried.
CREATE TABLE destinations (
    server        text   PRIMARY KEY COLLATE "C",
    failing_since bigint NOT NULL DEFAULT 0,
    failures      int    NOT NULL DEFAULT 0,
    next_try      bigint NOT NULL DEFAULT 0,
    last_error    text   NOT NULL DEFAULT '',
    retry_at      bigint NOT NULL DEFAULT 0
);
