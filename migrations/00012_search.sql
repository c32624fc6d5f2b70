-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Conversations that are searched by words, and how much of each is indexed: low_seq <= seq < high_seq. The index of one that
-- is not wanted any more is taken away, and then its row.
CREATE TABLE search_progress (
    shard    int     NOT NULL,
    conv     bigint  NOT NULL,
    wanted   boolean NOT NULL,
    low_seq  bigint  NOT NULL,
    high_seq bigint  NOT NULL,
    PRIMARY KEY (conv, shard)
) PARTITION BY LIST (shard);

-- The words of messages, derived from their content as it is now. A lexeme is a word within a block of a conversation (see
-- core/search), so that looking one up touches no more messages than a block has.
CREATE TABLE message_search (
    shard        int      NOT NULL,
    conv         bigint   NOT NULL,
    seq          bigint   NOT NULL,
    hub_time     bigint   NOT NULL,
    sender       text     NOT NULL COLLATE "C",
    content_type text     NOT NULL COLLATE "C",
    words        tsvector NOT NULL,
    PRIMARY KEY (conv, seq, shard)
) PARTITION BY LIST (shard);
CREATE INDEX message_search_words ON message_search USING gin (words) WITH (fastupdate = off);
