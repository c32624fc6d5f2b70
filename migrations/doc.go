// SPDX-License-Identifier: Apache-2.0

// Package migrations holds the SQL of the tables, numbered, forward only, one
// purpose a file: expand first, contract in a later release.
//
// Each database runs them for itself (store.Migrate). Every table is partitioned
// by logical shard; the partitions of the shards a database holds are made by
// store, because they depend on the configuration and not on the release.
// In keys and indexes the shard stands last: within a partition it tells nothing,
// and a query that does not name it must still seek.
//
// # Concurrency
//
// Data only.
package migrations

import "embed"

// Files holds the migrations in goose's format.
//
//go:embed *.sql
var Files embed.FS
