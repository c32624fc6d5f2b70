// SPDX-License-Identifier: Apache-2.0

// Package servers runs homeservers as processes in a network of their own: each in a host of a netlab, with its own
// private PostgreSQL, found by DNS, with certificates of a private authority.
//
// It is for tests of what only separate machines show: discovery by DNS, connections that hang, packets that are
// late or lost. It is not for the rules of federation, which are tested with many servers in one process
// (internal/testenv), nor for operating two servers here (internal/twoservers).
//
// Invariants:
//
//   - A server has the configuration of a public one, apart from the authority: it may connect only to public
//     addresses, and asks DNS where others are.
//   - The first server is where its name says, at port 443; the others are where their SRV record says.
//   - Clients reach a server from its own host, so a cut between servers is none for them.
//   - The end of a test is that of its servers: one that is told to stop and does not stop in order is an error.
//
// # Concurrency
//
// A Server is for one goroutine, but for Client and Doctor.
package servers
