// SPDX-License-Identifier: Apache-2.0

// Package people is what servers ask each other about users: whether they exist, how they are called, whether they may be
// added, who is online, who types, how far members have read, and what an invite link leads to.
//
// It has two halves. A Directory asks other servers for users of this one. Answers answers other servers about users of this
// one. Moments takes and gives what is of the moment: typing and receipts, which travel in transactions.
//
// It is not for: settings and blocks (core/account keeps them; who asks is judged there, by the same rules as a local user), the
// log of a conversation (federation/replica, federation/outbox), or finding and signing (federation/peer).
//
// Invariants:
//
//   - A server answers only about its own users, and only for viewers of the server that asks. It tells a remote viewer what it
//     would tell a local one, and never more.
//   - What another server says of users that are not its own is not believed, nor kept.
//   - Everything that is kept is bounded in number and time; a server that does not answer is left alone for a while, and nothing
//     waits for it: what is of the moment is lost then.
//   - One request at a time goes out for one question, however many wait for the answer.
//
// Spec: spec/60-federation.md, FED-USERS, FED-INVITE, FED-LINK, FED-PRESENCE, FED-MOMENT.
//
// # Concurrency
//
// All types are safe for concurrent use. Locks are leaves; none is held over I/O. Goroutines run in Run only, and in questions,
// which end after a few seconds.
package people
