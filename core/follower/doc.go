// SPDX-License-Identifier: Apache-2.0

// Package follower says what another server is to have of a conversation that is ordered here: how far, from where, and with
// which content.
//
// A server follows a conversation while it has joined members; what it needs is a position, the highest seq it is known to
// have. Row.Next tells what to hand on from there: entries, or a snapshot for who has no replica, or only the head where the
// entries are too many and the follower pulls them. Sight tells which entries are handed on with their content to who asks for
// history.
//
// It is pure: rows and positions are store's, sending is federation/outbox's, membership is core/conversation's.
//
// Invariants: a server gets no entry from after its last member left. What it gets unasked is an unbroken run of entries at each of
// which it had a member, since a change of the state that lacked its content could not be folded; who left and came back gets
// the first run to its end, and then begins again.
//
// # Concurrency
//
// Everything here is a value; functions are pure.
package follower
