// SPDX-License-Identifier: Apache-2.0

// Package follower says what another server is to have of a conversation that is ordered here: how far, from where, and with
// which content.
//
// A server follows a conversation while it has joined members; what it needs is a position, the highest seq it is known to
// have. Next tells what to hand on from there: entries, or a snapshot where there is no way by entries, or only the head where
// they are too many and the follower pulls them. Sight tells which entries it gets with their content.
//
// It is pure: rows and positions are store's, sending is federation/outbox's, membership is core/conversation's.
//
// Invariants: a server gets no entry from after its last member left, and no content of an entry that no member of it may read.
// An entry is handed on in an unbroken run from the one before, or from a snapshot, since a change of the state that lacks its
// content could not be folded.
//
// # Concurrency
//
// Everything here is a value; functions are pure.
package follower
