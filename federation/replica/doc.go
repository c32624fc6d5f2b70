// SPDX-License-Identifier: Apache-2.0

// Package replica takes entries of conversations that another server orders.
//
// It is the one way in for them, however they came: pushed, pulled, as a snapshot, or
// as the answer to a submission. Take verifies what stands by itself (form,
// signature of the hub, signatures of the authors' servers, that the entries
// chain up to the signed checkpoint) and hands the rest to core/timeline, which knows
// the log: Follow and Begin judge the chain and the rules, and commit.
//
// It is for: verification, asking the hub for what is missing (Pull), finding that a
// hub shows two histories, and keeping the proof. It is not for: reading what came
// over the wire (protocol/replica), sending submissions (federation/submit), handing
// entries on (federation/outbox).
//
// Invariants:
//
//   - Nothing is followed that the hub has not signed, nor anything in the name of a
//     user of another server than the hub without that server's signature, ours
//     included. Keys must have been in their lives at the time.
//   - Of a conversation whose hub showed two histories nothing more is taken. The two
//     signed statements are kept as a Proof that anybody can verify.
//   - A server that is not the hub of a conversation learns nothing about it here.
//   - Everything is bounded: signatures checked at once, pulls at once and of one hub,
//     conversations waiting to be pulled, snapshots of one server in a minute.
//
// Spec: spec/60-federation.md, FED-TAKE, FED-REPLICA, FED-PROOF.
//
// # Concurrency
//
// Replicas is safe for concurrent use. What is taken of one conversation is taken one
// after the other; locks are leaves, none is held over I/O.
package replica
