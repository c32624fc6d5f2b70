-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- What belongs to one user. prefs are the member's own settings of a conversation, as JSON. The marks are
-- shards.mark when they last changed, and when the delivered pointer last moved, which is told also of those who hide what they read.
ALTER TABLE members ADD COLUMN prefs text, ADD COLUMN prefs_mark bigint NOT NULL DEFAULT 0, ADD COLUMN delivered_mark bigint NOT NULL DEFAULT 0;

-- data_version counts the changes of a user's account data; what was forgotten up to data_pruned cannot be told one by one.
ALTER TABLE users ADD COLUMN data_version bigint NOT NULL DEFAULT 0, ADD COLUMN data_pruned bigint NOT NULL DEFAULT 0;

-- Account data in the shard of the user. value is JSON, NULL once deleted: the row stays a while to tell other devices.
CREATE TABLE account_data (
    shard   int    NOT NULL,
    user_id text   NOT NULL COLLATE "C",
    kind    text   NOT NULL COLLATE "C",     -- settings, block, data, star, hidden
    key     text   NOT NULL COLLATE "C",
    value   text,
    version bigint NOT NULL,
    PRIMARY KEY (user_id, kind, key, shard)
) PARTITION BY LIST (shard);
CREATE INDEX account_data_version ON account_data (user_id, version, shard);
CREATE INDEX account_data_deleted ON account_data (user_id, version, shard) WHERE value IS NULL;
