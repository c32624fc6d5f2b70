// SPDX-License-Identifier: Apache-2.0

// Package submit brings events of own users to conversations that another server orders, and takes those of other servers' users
// where this one does.
//
// Writer is core/timeline's Append and Submit for every conversation. Where this server is the hub it hands on. Elsewhere messages,
// edits, reactions, deletions and leaving are made durable here first, many in one transaction, and carried to the hub by couriers, in
// order; their entries come back through federation/replica, with the hub's answer or before it. Whoever waits gets the place, or
// after a moment learns that it is accepted; then the outcome is told to the sender's sessions. Changes of the state and joining
// do not wait: they are asked of the hub at once, or refused.
//
// Hub is the other side: it checks submissions of another server (origin, signature, form, what a client's operation would check)
// and appends them.
//
// It is not for: signing requests and sending them (federation/peer, through Options.Send), verifying entries (federation/replica),
// handing them on to followers (federation/outbox).
//
// Invariants:
//
//   - A submission answered accepted is in the table, and is sent until the hub places or refuses it; one tempId makes one event.
//   - Submissions of a conversation are sent in the order in which they were accepted. A later one is not sent before the fate of an
//     earlier one is known.
//   - What a hub says of a submission counts once the entry is in the replica, verified. A refusal counts at once.
//   - Waiting submissions are bounded by conversation and user, those who wait for answers in all, requests by hub.
//
// Spec: spec/60-federation.md, FED-SUBMIT.
//
// # Concurrency
//
// Writer and Hub are safe for concurrent use. Hooks are called without locks held; those called from Committed must not block.
package submit
