-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- info is what a conversation has beside name and members, as canonical JSON: settings, permissions, pins, links, requests, bans.
ALTER TABLE conversations ADD COLUMN info text NOT NULL DEFAULT '{}';
-- from_seq is the first entry a member may read: joined_seq, or before it where the history is shared.
ALTER TABLE members ADD COLUMN from_seq bigint;
UPDATE members SET from_seq = joined_seq;
ALTER TABLE members ALTER COLUMN from_seq SET NOT NULL;
