// SPDX-License-Identifier: Apache-2.0

// Package bus carries packets of core/fanout between nodes.
//
// Local joins the nodes of one process through a Hub: a homeserver of one node,
// and tests of several. Faulty wraps any bus and loses, doubles and reorders
// packets, for tests of what is above it.
//
// A bus promises nothing: packets may be lost, doubled or overtaken. core/fanout
// numbers them and has the sessions catch up from the log. So a bus never waits
// for a receiver and never sends again.
//
// Invariants: Send returns at once; every queue is bounded, and a full one loses
// the packet.
//
// # Concurrency
//
// Everything here is safe for concurrent use. Goroutines run within Run only.
// Locks: the hub's, then a link table's; both are leaves for what is outside.
package bus
