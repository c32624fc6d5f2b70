// SPDX-License-Identifier: Apache-2.0

// Package fanout is the only way out: it hands committed events and moved
// receipts to the live sessions of the members.
//
// It is not for what a session missed (core/feed reads that from the log), nor
// for what a frame looks like on a connection (clientapi/session), nor for how a
// note crosses to another node (bus). It never reads the log and keeps nothing.
//
// One dispatcher takes what was committed, in order of pos within a shard. Per
// event it finds the receivers, encodes the frame once if anyone can be reached,
// hands it to the sessions here and puts one note per other node on that node's
// link. Links are numbered, because a Bus may lose, double or reorder.
//
// Invariants:
//   - The receivers of an event are the members joined after it, and those it removed.
//   - An event is encoded at most once on its node, and not at all if nobody can be reached.
//   - A session gets the notes of a shard in order, or is told Lost after the last one it misses.
//   - Nothing here waits for a receiver: Deliver, Lost and Bus.Send return at once.
//   - Memory is bounded: the queue of the dispatcher, and one number per link.
//
// See DESIGN.md for the failure cases.
//
// # Concurrency
//
// A Fanout is safe for concurrent use. The dispatcher's scratch and the outgoing
// links belong to the goroutine of Run. Lock order: incoming link, then registry
// shard, then what a Session locks within Deliver and Lost. The registry is never
// locked while a Session is called, and no lock is held while encoding.
package fanout
