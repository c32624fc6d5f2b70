// SPDX-License-Identifier: Apache-2.0

// Package ephemeral keeps what is true for a moment only: who is online, who
// watches whom, who is typing.
//
// It is not for who a member is (core/timeline), for who may see whom (Rules, which
// whoever keeps settings and blocks implements), nor for how a frame reaches a
// session (core/fanout). Of users of other servers it knows what Elsewhere says, asked while somebody watches. Nothing here enters a log or a sync, and nothing is written
// except when users were last seen, coarse to a minute and in batches.
//
// A user is online while one of their connections or devices said so within TTL.
// Somebody is told of it only while they hold a subscription, which is a lease: a user
// whom nobody watches may come and go for free.
//
// Invariants:
//   - A watcher is told the state once for each time they subscribe, then only what changed, in order.
//   - A watcher whose sight does not allow it is told what they would be told of a user who never came.
//   - Everything is bounded: the signs of a user, the subscriptions and typing marks of a connection, the
//     times that wait to be written.
//   - A connection that sends no frame of this kind costs nothing here.
//
// See DESIGN.md for several nodes and for the failure cases.
//
// # Concurrency
//
// A Presence is safe for concurrent use, and so is a Connection. Lock order: Connection, then shard, then the
// wheel, the list of changed users, the users of other servers and the times to write, which are leaves. None is held over I/O or a call
// into another package. Frames are made by the goroutine of Run alone, so they keep their order.
package ephemeral
