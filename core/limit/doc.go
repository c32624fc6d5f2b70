// SPDX-License-Identifier: Apache-2.0

// Package limit counts what users do, so that nobody does too much of it.
//
// A Counter counts by key in a sliding window. Posts, made of two of them, bounds
// what a user adds to logs: everywhere, and in one group. The owner of a shard asks
// it once a command is known to be no repeat and to be allowed, so that an
// acknowledged tempId is never limited away and a refusal costs nothing.
//
// It is not for logins and registrations (core/account has buckets of its own, which
// refill gradually) and keeps nothing: whoever counts something that a log remembers
// tells it with Note after a restart.
//
// Invariants: in a window of Per, never fewer than Count are let through. A window
// slides in steps, so that up to Count more may follow one step early; no key ever
// gets more than Count within Per less one step. Memory is bounded: the key that
// rested longest makes room.
//
// # Concurrency
//
// Everything is safe for concurrent use. The locks are leaves, none held over I/O.
package limit
