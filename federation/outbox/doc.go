// SPDX-License-Identifier: Apache-2.0

// Package outbox brings the entries of conversations that are ordered here to the servers that follow them.
//
// A destination's queue is a position in each conversation (store's followers), never a copy of what is to be sent. Moved
// notes which conversations have something new; a turn takes some of them, builds one transaction from the log, sends it, and
// moves the positions to what the answer says. A turn after an outage, a restart or an overflow does not know what moved: it
// goes through the positions in pages, and tells heads only; the answers say where the follower is, who pulls long ranges by
// itself (Entries) and gets short ones.
//
// It is for: who gets what next and when, the failing and the refusing, and the answers to those who pull. It is not for: what
// a server may have (core/follower), finding and asking servers (federation/peer), taking entries in (federation/replica).
//
// Invariants:
//
//   - Moved never blocks, and costs next to nothing for a conversation without other servers.
//   - While a destination is away its state is its rows and one small struct; nothing grows.
//   - One transaction at a time is under way to a destination, so the order within a conversation is kept.
//   - An item that is refused for good is parked and holds up nothing else.
//   - A lost position costs a question, never an entry: what a follower has already it skips.
//
// See DESIGN.md for the states of a destination. Spec: spec/60-federation.md, FED-TXN, FED-PULL.
//
// # Concurrency
//
// An Outbox is safe for concurrent use. Its mutex is a leaf, never held over I/O. The goroutines are those of Run: one that
// starts turns, one for each turn under way, and two that write positions and watch the shards.
package outbox
