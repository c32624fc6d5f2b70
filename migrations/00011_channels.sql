-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Those who read a channel without being members of its log: a row each, none of which is touched when something is posted.
-- A row with banned_at is not a subscription but keeps its user out.
CREATE TABLE channel_subscribers (
    shard         int     NOT NULL,            -- of the conversation
    conv          bigint  NOT NULL,
    user_id       text    NOT NULL COLLATE "C",
    since_seq     bigint  NOT NULL,            -- head when the subscription began
    read_seq      bigint  NOT NULL,            -- starts at since_seq and only moves forward
    read_count    bigint  NOT NULL,            -- count of the entry at read_seq
    subscribed_at bigint  NOT NULL,            -- Unix milliseconds
    banned_at     bigint  NOT NULL DEFAULT 0,  -- Unix milliseconds, 0 if not banned
    muted_until   bigint  NOT NULL DEFAULT 0,
    is_pinned     boolean NOT NULL DEFAULT false,
    is_archived   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (conv, user_id, shard)
) PARTITION BY LIST (shard);

-- How many subscribers a channel has, kept with their rows in one transaction, so that nobody has to count them.
CREATE TABLE channel_counts (
    shard       int    NOT NULL,
    conv        bigint NOT NULL,
    subscribers bigint NOT NULL,
    PRIMARY KEY (conv, shard)
) PARTITION BY LIST (shard);

-- How many subscribers' read pointers passed an entry, written with the pointers in one transaction.
CREATE TABLE channel_views (
    shard int    NOT NULL,
    conv  bigint NOT NULL,
    seq   bigint NOT NULL,
    views bigint NOT NULL,
    PRIMARY KEY (conv, seq, shard)
) PARTITION BY LIST (shard);

-- The index of a user's subscriptions, in the user's shard, derived from channel_subscribers.
CREATE TABLE user_channels (
    shard           int    NOT NULL,
    user_id         text   NOT NULL COLLATE "C",
    conversation_id bytea  NOT NULL,
    subscribed_at   bigint NOT NULL,
    PRIMARY KEY (user_id, conversation_id, shard)
) PARTITION BY LIST (shard);
