// SPDX-License-Identifier: Apache-2.0

// Package conversation holds the pure rules: who may do what, and how the state
// follows from the log.
//
// State is a deterministic fold: Apply(state, event) gives the next state, Decide
// says whether a proposal may become the next event. There is no I/O, no clock
// and no context here, so hub and follower share it and its rules run as readable
// scripts (testdata/*.conv) that are published as vectors. Order, idempotence
// and durability are core/timeline's; sync is core/feed's.
//
// Invariants: State is immutable, Apply returns a new one and shares what did
// not change. Decide looks at the state only. A direct conversation keeps its
// two members. A group that has members has an owner.
//
// Spec: spec/20-log.md, spec/30-conversations.md.
//
// # Concurrency
//
// Everything here is an immutable value or a pure function.
package conversation
