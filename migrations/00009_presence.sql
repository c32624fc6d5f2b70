-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- When the user was last seen online, Unix milliseconds in steps of a minute; 0 for never. All else about presence is in memory.
ALTER TABLE users ADD COLUMN last_seen_at bigint NOT NULL DEFAULT 0;
