// SPDX-License-Identifier: Apache-2.0

// Package feed is sync: what moved for a user since a cursor, once, in order.
//
// Pull answers one page from the log. Stream joins pages and live notes without
// a gap for one connection (walk C): register first, read what moved, drain what
// came meanwhile, live. Socket, SSE and long poll are transports of the same
// frames. It appends nothing and routes nothing: that is core/timeline and core/fanout.
//
// Invariants:
//   - A cursor never covers an event that was not sent before it on the same connection or in the same answer.
//   - Positions may be rounded down (clients drop duplicates by conversationId and seq), never up.
//   - Only committed events are shown, and only from a member's first to last readable seq.
//   - What waits for a connection is bounded; on overflow the stream stops and says resync.
//
// Spec: spec/40-sync.md.
//
// # Concurrency
//
// Feed is safe for concurrent use. Stream: Deliver, Lost and Revoke from any goroutine, Resume from one at a time.
// Lock order: Stream.resuming before Stream.mu; mu is a leaf and not held over I/O.
package feed
