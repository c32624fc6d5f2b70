// SPDX-License-Identifier: Apache-2.0

// Package client is the raw client of the conformance suite: it sends what a case tells it to, well-formed or not,
// records every byte of the exchange, and holds each answer and each frame against the published specification.
//
// It is for: HTTP requests, sockets, server-sent events, the record of them with secrets taken out, and the law
// compiled from spec/. It is not for: deciding whether an answer is the right one (package cases), or for running and
// counting cases (package suite).
//
// Invariants:
//
//   - It knows nothing of the server but its address. Of this module it imports only spec/.
//   - It never repairs, retries or reorders anything by itself.
//   - What a Recorder hands out has no passwords, tokens or tickets in it.
//
// # Concurrency
//
// A Server, a Law and a Recorder may be used by several goroutines. A Socket and a Stream read in one goroutine of
// their own, which ends when they are closed; their methods are for one caller at a time.
package client
