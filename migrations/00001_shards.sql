-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- One row for each logical shard this database holds: who may write it, and how far its log goes.
CREATE TABLE shards (
    shard       int PRIMARY KEY,
    shard_count int    NOT NULL,             -- fixed when the deployment was created
    prepared    boolean NOT NULL DEFAULT false, -- its partitions exist
    owner       text   NOT NULL DEFAULT '',  -- node id of the lease holder
    epoch       bigint NOT NULL DEFAULT 0,   -- raised by each new owner; every commit checks it
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    pos         bigint NOT NULL DEFAULT 0,   -- last position given out; the first event has 1
    flushed_pos bigint NOT NULL DEFAULT 0,   -- heads and user index are right up to here
    mark        bigint NOT NULL DEFAULT 0    -- last stamp of a receipt or setting change
) WITH (fillfactor = 50);
