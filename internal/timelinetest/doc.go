// SPDX-License-Identifier: Apache-2.0

// Package timelinetest is the test room of core/timeline: what a Store must do, and what a Timeline does on it.
//
// Contract runs a store's duties against any timeline.Store: PostgreSQL (store) and
// Mem, the store in memory that lives here. Because both pass the same contract, what
// is proved quickly on Mem holds on PostgreSQL. Faulty wraps either of them and fails
// at will: before a commit, after it (outcome unknown), slowly, or for good, as if the
// process were gone. Node runs a Timeline on a store; Verify reads the log back and
// checks that it is dense and that its chain holds.
//
// It is for tests only and decides nothing.
//
// # Concurrency
//
// Mem, Faulty, Node and Out are safe for concurrent use.
package timelinetest
