// SPDX-License-Identifier: Apache-2.0

// Package mock is a homeserver that exists only to be talked to by a server under test: it has names, keys and
// certificates, answers what a case tells it to, honestly or not, and keeps what it was asked.
//
// It is for: signed JSON, documents of keys, signed requests, hashes, entries, chains, checkpoints and states of direct
// conversations, written a second time from the prose of 15-encoding.md, 20-log.md and 60-federation.md, with nothing but the
// standard library; and for the sockets by which two servers reach each other. It is not for: what is asked of a server
// (package cases), accounts and clients (package suite), or serving anybody.
//
// Invariants:
//
//   - Nothing here is shared with the server: where the two disagree, one of them misreads the specification. The vectors
//     of spec/vectors/ decide; the tests of this package run them.
//   - Objects are maps, so that a case can spoil any of them. What is honest is made by functions, what is spoilt by the case.
//   - One Net has as many homeservers as cases ask for. They are told apart by the host of a request, so each has keys of
//     its own that no cache of the server under test knows.
//
// # Concurrency
//
// Net and Home are safe for all; a Request is for the goroutine that made it. Functions are pure.
package mock
