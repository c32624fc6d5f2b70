// SPDX-License-Identifier: Apache-2.0

// Package mutants stands in front of a right server and makes it a wrong one, each time in one deliberate way, so that
// a test can demand that the suite notices.
//
// It is for: proving that the cases can fail. It is not for: faults of the network, or for testing a server.
//
// Invariants:
//
//   - A mutant is wrong in one way only; whatever it does not touch goes through unchanged.
//   - Each names the cases that are there to catch it; at least one of them has to.
//
// # Concurrency
//
// A Proxy serves many connections at the same time. Its hooks are called under one lock, so that a mutant may keep
// what it has seen without one of its own.
package mutants
