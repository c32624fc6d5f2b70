// SPDX-License-Identifier: Apache-2.0

// Package door is where requests of other homeservers come in.
//
// The walk of a request: route, else unknown_route; the address's account of failed
// attempts; scheme and signature (federation/auth), with the operator's lists asked
// before anything is fetched; the origin's allowance of requests and bytes; the
// operation; the answer, or a problem from the catalogue. One access line each.
//
// It is for: the table of routes, the walk, the limits of an origin, the lists of
// servers. It is not for: what an operation does (those who make the routes), TLS and
// listening (server/homeserver), requests that we make (federation/peer).
//
// Invariants: no operation runs for a request that is not verified. Whatever comes,
// the answer has a status of the catalogue. Bodies, signatures and query strings are
// never logged. What an unverified request costs is bounded by its address, what a
// verified one costs by its origin.
//
// Spec: spec/60-federation.md, spec/federation.yaml.
//
// # Concurrency
//
// The handler is safe for concurrent use. A Call belongs to its request's goroutine.
package door
