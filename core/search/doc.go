// SPDX-License-Identifier: Apache-2.0

// Package search finds messages: by sender, kind, time and conversation in the
// log itself, and by words in an index that is derived from it.
//
// A search walks the conversations of a user side by side, from the newest message
// to the oldest. Each is read in stretches of its dense seq, so that a request looks
// at a bounded number of messages whatever exists; where it stopped is the cursor,
// which names a place in the order and nothing else.
//
// It checks no input (clientapi/op does) and holds no SQL (store does). What may be
// shown is decided by the state that the owner knows, never by what the store found.
//
// Invariants: hits come in order of Place; no hit lies outside of what the user may
// read; each call looks past the place it began at, so that a search ends.
//
// # Concurrency
//
// A Finder is safe for concurrent use.
package search
