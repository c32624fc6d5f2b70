// SPDX-License-Identifier: Apache-2.0

// Package rest is the HTTP face of the operations in clientapi/op: a table of
// routes, and around each route the same walk.
//
// The walk of a request: request id and clock; security headers and CORS; route,
// else unknown_route or method_not_allowed; access token from the Authorization
// header; body of at most 128 KiB of strict JSON; the operation; the answer, or a
// problem from the catalogue. One access line and one observation per request.
//
// It decides nothing about accounts or conversations (op and core do), and it does
// not listen: the assembly hands the handler to a server with its own timeouts.
//
// Invariants: whatever a client sends, the answer has a status of the route or is
// a problem whose code is in the catalogue. Tokens, bodies and query strings are
// never logged. A token is read from the Authorization header only. The client's
// address is the peer's, unless the peer is a trusted proxy.
//
// Spec: spec/openapi.yaml, spec/errors.yaml.
//
// # Concurrency
//
// The handler is safe for concurrent use. A Call belongs to its request's goroutine.
package rest
