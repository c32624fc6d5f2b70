// SPDX-License-Identifier: Apache-2.0

// Package report makes and checks the proof of a report: that an entry stood in the
// log of a conversation, in whose name, and with which content.
//
// A proof holds the entry, the submission and, unless it had been erased, the salted
// content they commit to, with the hub's signature over the hash of the entry. It
// needs nothing else: it holds when the messages are deleted later, and whoever has
// the hub's public key can check it.
//
// It is not for who may report, nor for what becomes of a report (clientapi/op), nor
// for keeping it (store).
//
// Invariants: Verify believes nothing that a signature does not cover. A proof that
// says less than all of an entry is refused, not repaired.
//
// # Concurrency
//
// Everything here is a function of its arguments.
package report
