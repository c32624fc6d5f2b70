// SPDX-License-Identifier: Apache-2.0

// Package timeline is the only way in: it gives every event its place in the log.
//
// A node owns shards by lease. For each database one committer serves the owned
// shards: its builder decides queued commands against the state in memory, its
// writer commits a batch in one transaction while the builder fills the next, so
// many senders share a commit and at most two batches are in flight. Readers see
// committed views only. Rules are core/conversation's, SQL is store's, delivery
// is core/fanout's: this room keeps order, durability and idempotence.
//
// Invariants:
//   - A Result is handed out only after the transaction that holds the event committed.
//   - seq, pos and the chain are given in one place, by one goroutine per database.
//   - One (device, conversation, tempId) makes one event, for 24 hours at least (dedup.go).
//   - Any doubt about a commit drops the memory of its shards; they are acquired and loaded again.
//   - An edit never follows the deletion of its message, and content that was erased is in no table and no memory.
//   - Memory is bounded: commands queued, conversations held, tempIds remembered.
//
// Where another server is the hub, Begin and Follow take its entries the same way, verified and judged instead of decided;
// who signed them is federation/replica's.
//
// See DESIGN.md for the drawing.
//
// # Concurrency
//
// A Timeline is safe for concurrent use. Lock order: shard.mu is a leaf and never
// held over I/O. The fields of conv under "builder" belong to the builder's goroutine.
package timeline
