-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- What operators and moderators decide about accounts. suspended_at is 0 while the account may act.
ALTER TABLE users ADD COLUMN suspended_at bigint NOT NULL DEFAULT 0, ADD COLUMN moderator boolean NOT NULL DEFAULT false;

-- Reports in the shard of the reporter. report_id is a ULID, so it follows the time. proof is JSON: what was reported as it
-- was then, with what shows that; it outlives the messages until expires_at.
CREATE TABLE reports (
    shard           int    NOT NULL,
    report_id       text   NOT NULL COLLATE "C",
    reporter        text   NOT NULL COLLATE "C",
    reported        text   NOT NULL COLLATE "C", -- a user, or empty
    conversation_id text   NOT NULL COLLATE "C", -- or empty
    reason          text   NOT NULL,
    note            text   NOT NULL,
    proof           text   NOT NULL,
    created_at      bigint NOT NULL,
    expires_at      bigint NOT NULL,
    resolved_at     bigint NOT NULL DEFAULT 0,   -- 0 while it is open
    resolved_by     text   NOT NULL DEFAULT '' COLLATE "C",
    action          text   NOT NULL DEFAULT '',
    resolution      text   NOT NULL DEFAULT '',
    PRIMARY KEY (report_id, shard)
) PARTITION BY LIST (shard);
CREATE INDEX reports_open ON reports (report_id, shard) WHERE resolved_at = 0;
CREATE INDEX reports_reporter ON reports (reporter, created_at, shard);
CREATE INDEX reports_expires ON reports (expires_at, shard);

-- What moderators and operators did, in the shard of who did it; rows are only added.
CREATE TABLE moderation_actions (
    shard     int    NOT NULL,
    action_id text   NOT NULL COLLATE "C",       -- ULID
    at        bigint NOT NULL,
    actor     text   NOT NULL COLLATE "C",       -- a moderator, or operator
    action    text   NOT NULL,
    report_id text   NOT NULL COLLATE "C",       -- or empty
    user_id   text   NOT NULL COLLATE "C",       -- whom it concerns, or empty
    detail    text   NOT NULL,                   -- JSON: conversationId, messageIds, note
    PRIMARY KEY (action_id, shard)
) PARTITION BY LIST (shard);

-- Accounts that are being erased, in the shard of the user. after is the last conversation that is done.
CREATE TABLE erasures (
    shard    int     NOT NULL,
    user_id  text    NOT NULL COLLATE "C",
    messages boolean NOT NULL,
    at       bigint  NOT NULL,
    after    bytea   NOT NULL DEFAULT '',
    erased   bigint  NOT NULL DEFAULT 0,         -- messages so far
    done_at  bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, shard)
) PARTITION BY LIST (shard);
CREATE INDEX erasures_open ON erasures (at, shard) WHERE done_at = 0;
