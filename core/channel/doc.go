// SPDX-License-Identifier: Apache-2.0

// Package channel keeps those who read a channel without being members of its log.
//
// A channel is a conversation whose members are the few who write. Everybody else
// is a row: subscribed since when, read how far. Nothing here happens per
// subscriber when something is posted: the log gets one entry, readers pull it.
// Live sessions of subscribers are told, once a second at most, that the head moved.
//
// It decides nothing about writing (core/conversation) and reads no log
// (core/timeline); what a subscriber's sync shows is core/feed's.
//
// Invariants:
//   - A post costs the same whether a thousand or a million subscribe: work is per live session, and coalesced.
//   - A subscriber's read pointer is told to nobody; it moves in memory and is flushed with the views it makes, in one transaction.
//   - A session is told of every head past what Horizon answered before, as long as it is live.
//   - Memory is bounded: users, readers and views waiting for a flush.
//
// Spec: spec/35-channels.md.
//
// # Concurrency
//
// Channels is safe for concurrent use. Its mutexes (live.mu, readers.mu) are leaves: none is held over I/O or while a
// session is called.
package channel
