// SPDX-License-Identifier: Apache-2.0

// Package homeserver is the assembly: it makes every part of the server, joins
// them, and runs them in one group.
//
// It is the only place where the floors meet, and holds no logic of its own. New
// makes the parts and opens the listener, Run keeps them alive; the first part
// that fails stops the house, and ctx stops it in order: sessions are told to go,
// HTTP drains, the timeline flushes and lets its leases go, PostgreSQL ends last.
// Tests use the same New.
//
// # Concurrency
//
// New and Run are called once, by one goroutine. Address is safe at any time.
package homeserver
