-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- What is known of a replica beside its log: the newest checkpoint by which it was verified, and the proof that its hub showed two
-- histories; with one nothing more is taken. Both are JSON.
CREATE TABLE replicas (
    shard      int   NOT NULL,
    id         bytea NOT NULL,               -- of the conversation
    checkpoint text,
    proof      jsonb,
    PRIMARY KEY (id, shard)
) PARTITION BY LIST (shard);
CREATE INDEX replicas_proof ON replicas (id) WHERE proof IS NOT NULL;

-- Submissions that wait are sent in order of n; those refused are kept for a day, to be told to who sends them again.
ALTER TABLE submissions ADD COLUMN detail text, ADD COLUMN failed_at bigint;
CREATE INDEX submissions_order ON submissions (conv, n);
CREATE INDEX submissions_failed ON submissions (failed_at) WHERE failed_at IS NOT NULL;
