-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Which partitions of a shard exist is seen from the tables themselves.
ALTER TABLE shards DROP COLUMN prepared;
