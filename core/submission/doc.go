// SPDX-License-Identifier: Apache-2.0

// Package submission knows what users may submit: the form of every event's content,
// whoever its author's server is.
//
// A client says what it wants through an operation, another server sends the
// submission of its user ready made. Both pass the checks here: CheckSend and its
// like look at what a client said, Read takes a submission apart into the command
// that a client's operation would have made of it, or refuses it. So nothing gets
// into a log by federation that could not get there by the API.
//
// It is not for: rights and state (core/conversation), order and idempotence
// (core/timeline), signatures (federation/submit), and whether a message exists that
// is replied to or edited, which needs the log.
//
// Invariants: what Read accepts has exactly the bytes that the encoders of
// protocol/event make, and no member that means nothing for its type. Refusals are
// faults of the catalogue.
//
// # Concurrency
//
// Functions are pure.
package submission
