-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Messages that expire, and the hash that stands for content that was erased.
ALTER TABLE events ADD COLUMN expires_at bigint, ADD COLUMN content_hash bytea;
CREATE INDEX events_expires ON events (expires_at) WHERE expires_at IS NOT NULL AND content IS NOT NULL;

-- What later events did to a message; most messages have no row. All three tables follow from the log.
CREATE TABLE annotations (
    shard       int      NOT NULL,
    conv        bigint   NOT NULL,
    seq         bigint   NOT NULL,             -- of the message
    changed_seq bigint   NOT NULL,             -- of the newest event about it
    edit_seqs   bigint[] NOT NULL DEFAULT '{}', -- of its edits, oldest first
    reacted     boolean  NOT NULL DEFAULT false,
    deleted_at  bigint,                        -- hub time
    deleted_by  text COLLATE "C",
    PRIMARY KEY (conv, seq, shard)
) PARTITION BY LIST (shard);

CREATE TABLE reactions (
    shard     int    NOT NULL,
    conv      bigint NOT NULL,
    seq       bigint NOT NULL,                 -- of the message
    emoji     text   NOT NULL COLLATE "C",
    user_id   text   NOT NULL COLLATE "C",
    added_seq bigint NOT NULL,                 -- of the event
    at        bigint NOT NULL,                 -- its hub time
    PRIMARY KEY (conv, seq, emoji, user_id, shard)
) PARTITION BY LIST (shard);

-- Whom messages mention; user_id is empty for all.
CREATE TABLE mentions (
    shard   int    NOT NULL,
    conv    bigint NOT NULL,
    user_id text   NOT NULL COLLATE "C",
    seq     bigint NOT NULL,
    PRIMARY KEY (conv, user_id, seq, shard)
) PARTITION BY LIST (shard);
CREATE INDEX mentions_seq ON mentions (conv, seq, shard);
