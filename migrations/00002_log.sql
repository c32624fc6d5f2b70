-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- The log. conv is the pos of the conversation's create event: a short local number. A partition of a shard is cut
-- again by ranges of pos, which follow time without trusting a clock. Rows are appended in order of pos, so a BRIN
-- index finds ranges of it.
CREATE TABLE events (
    shard       int    NOT NULL,
    pos         bigint NOT NULL,
    conv        bigint NOT NULL,
    seq         bigint NOT NULL,
    count       bigint NOT NULL,             -- countable messages of the conversation up to and with this one
    hub_time    bigint NOT NULL,             -- Unix milliseconds, never falling within a conversation
    author_time bigint NOT NULL,
    dedup       bigint NOT NULL,             -- 64 bits of the hash of (device, tempId)
    hot         boolean NOT NULL,            -- dedup is found by index, the owner's memory need not hold it
    message_id  uuid   NOT NULL,
    type        text   NOT NULL COLLATE "C",
    sender      text   NOT NULL COLLATE "C",
    device      text   NOT NULL COLLATE "C",
    temp_id     text   NOT NULL COLLATE "C",
    salt        bytea,
    hash        bytea  NOT NULL,             -- entry hash
    content     bytea                        -- canonical JSON; NULL once erased
) PARTITION BY LIST (shard);

-- state is the fold of the log up to head_seq without members; head_* are flushed in batches and right up to
-- shards.flushed_pos.
CREATE TABLE conversations (
    shard       int    NOT NULL,
    conv        bigint NOT NULL,
    id          bytea  NOT NULL,
    created     bytea  NOT NULL,             -- canonical create event
    created_at  bigint NOT NULL,             -- its hub time
    name        text   NOT NULL DEFAULT '',
    state_seq   bigint NOT NULL,             -- seq of the last state change
    head_seq    bigint NOT NULL,
    head_pos    bigint NOT NULL,
    head_count  bigint NOT NULL,
    head_time   bigint NOT NULL,
    head_hash   bytea  NOT NULL,
    mark        bigint NOT NULL DEFAULT 0,   -- shards.mark when a receipt of a member last moved
    PRIMARY KEY (conv, shard),
    UNIQUE (id, shard)
) PARTITION BY LIST (shard);

-- Members past and present, and their pointers. joined_seq is the first entry they may read, left_seq the last.
CREATE TABLE members (
    shard         int    NOT NULL,
    conv          bigint NOT NULL,
    user_id       text   NOT NULL COLLATE "C",
    role          text   NOT NULL,
    membership    text   NOT NULL,           -- joined, left, removed
    joined_seq    bigint NOT NULL,
    joined_at     bigint NOT NULL,
    left_seq      bigint,
    left_name     text   NOT NULL,           -- what a past member still sees: as it was then
    left_count    int    NOT NULL,
    delivered_seq bigint NOT NULL,           -- pointers start at joined_seq and only move forward
    read_seq      bigint NOT NULL,
    read_count    bigint NOT NULL,           -- count of the entry at read_seq
    mark          bigint NOT NULL DEFAULT 0, -- shards.mark when a pointer or setting last changed
    PRIMARY KEY (conv, user_id, shard)
) PARTITION BY LIST (shard);

-- The index of a user's conversations, in the user's shard, derived from the log of the conversation's shard.
CREATE TABLE user_conversations (
    shard           int    NOT NULL,
    user_id         text   NOT NULL COLLATE "C",
    conversation_id bytea  NOT NULL,
    membership      text   NOT NULL,
    changed_pos     bigint NOT NULL,         -- pos (in the conversation's shard) of the change that wrote this row
    changed_at      bigint NOT NULL,         -- its hub time
    PRIMARY KEY (user_id, conversation_id, shard)
) PARTITION BY LIST (shard);

-- advance moves shards forward in the transaction that writes their events: it fails unless each epoch and pos is the one
-- the caller believes in, so that a stale owner cannot write.
-- +goose StatementBegin
CREATE FUNCTION advance(shard_ int[], epoch_ bigint[], prev_ bigint[], pos_ bigint[], flushed_ bigint[], mark_ bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
    UPDATE shards s
       SET pos = b.pos,
           flushed_pos = CASE WHEN b.flushed < 0 THEN s.flushed_pos ELSE b.flushed END,
           mark = CASE WHEN b.mark < 0 THEN s.mark ELSE b.mark END
      FROM unnest(shard_, epoch_, prev_, pos_, flushed_, mark_) AS b(shard, epoch, prev, pos, flushed, mark)
     WHERE s.shard = b.shard AND s.epoch = b.epoch AND s.pos = b.prev;
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n <> cardinality(shard_) THEN
        RAISE EXCEPTION 'stale owner' USING ERRCODE = 'PA001';
    END IF;
END $$;
-- +goose StatementEnd
