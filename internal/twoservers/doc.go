// SPDX-License-Identifier: Apache-2.0

// Command twoservers runs two homeservers that federate, a.test and b.test, as processes of this machine, each
// with its own private PostgreSQL, and a private certificate authority between them. It is what
// `make federation` starts.
//
// It is for trying federation out where nothing else is at hand: no DNS, no public certificate, no container
// engine. It is not for operating servers (docs/federating.md), and not for tests of federation, which have
// many servers in one process (internal/testenv).
//
// Invariants:
//
//   - Everything it keeps is in one folder: ca/, a/ and b/ with configuration, log and data. A second start
//     goes on with what is there.
//   - It says that the servers are ready only after each of them had a signed request answered by the other.
//   - Its end is theirs: a signal is passed on and awaited, and if it is killed they are told to stop.
//   - One server that ends by itself is reported and does not take the other along.
//
// # Concurrency
//
// One run in a folder: the second one finds the ports taken.
package main
