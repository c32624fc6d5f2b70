// SPDX-License-Identifier: Apache-2.0

// Package store is the cellar: all SQL of the homeserver, and nothing but SQL.
//
// A Store spans the physical databases and knows which logical shards each
// holds. Each file is the table of its name; the interfaces it satisfies are
// declared by their consumers in core. It decides nothing: rules live in
// core/conversation, order and idempotence in core/timeline.
//
// Invariants: every write of a shard's log checks the owner's epoch and the
// shard's last pos in the same transaction (commit.go). No statement reaches across
// databases. Errors are plain and wrapped; what is not a sentinel of the consumer
// means "in doubt", which the core answers with unavailable.
//
// # Concurrency
//
// A Store is safe for concurrent use; it holds connection pools and no state.
package store
