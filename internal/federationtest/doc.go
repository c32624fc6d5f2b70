// SPDX-License-Identifier: Apache-2.0

// Package federationtest is the test room of federation: servers in one process, with logs of their own and function calls between
// them.
//
// A Server has a name, keys, and a Timeline on a store in memory. As a hub it says what a hub says: Range and Snapshot, signed. Tests
// change what it says before they hand it on, and Sign again what they changed. Keys are found in the Net.
//
// It is for tests only and decides nothing.
//
// # Concurrency
//
// A Net and its Servers are safe for concurrent use once they are made.
package federationtest
