-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Where another server is the hub the log is held from base_seq on without a hole; conv is then the pos of that entry.
ALTER TABLE conversations ADD COLUMN base_seq bigint NOT NULL DEFAULT 0;

-- What belongs to an entry beside the log; entries without any of it have no row.
CREATE TABLE event_origins (
    shard     int    NOT NULL,
    conv      bigint NOT NULL,
    seq       bigint NOT NULL,
    prev      bytea,                           -- of the entry at base_seq: the hash of the one before, which is not held
    term      bigint NOT NULL DEFAULT 0,
    key_id    text   COLLATE "C",              -- of the signature of the author's server, where that is not the hub
    signature bytea,
    expects   bigint,                          -- as the author's server signed it
    PRIMARY KEY (conv, seq, shard)
) PARTITION BY LIST (shard);

-- Submissions of own users to conversations that have their hub elsewhere, until their entries came. n is their order.
CREATE SEQUENCE submission_order;
CREATE TABLE submissions (
    shard       int    NOT NULL,
    conv        bigint NOT NULL,
    dedup       bigint NOT NULL,               -- as in events
    n           bigint NOT NULL DEFAULT nextval('submission_order'),
    sender      text   NOT NULL COLLATE "C",
    device      text   NOT NULL COLLATE "C",
    temp_id     text   NOT NULL COLLATE "C",
    type        text   NOT NULL COLLATE "C",
    author_time bigint NOT NULL,
    salt        bytea  NOT NULL,
    content     bytea  NOT NULL,               -- canonical JSON
    expects     bigint,
    code        text   COLLATE "C",            -- why the hub refused it; NULL while it waits
    PRIMARY KEY (conv, dedup, shard)
) PARTITION BY LIST (shard);
