// SPDX-License-Identifier: Apache-2.0

// Package auth signs requests to other homeservers and verifies theirs.
//
// RequestAuth is the interface; Cavage is the one scheme there is,
// cavage12-ed25519-v1: draft-cavage-http-signatures-12 with Ed25519 through
// go-fed/httpsig, inside a wrapper that takes one spelling of a request and no
// other. The library alone accepts bodies that do not fit their digest, shortened
// lists of headers, other paths with the same decoded form, and more; every such
// case is a test here, which shows that the library accepts and the wrapper refuses.
//
// It is for: who sent this request, and is it whole, fresh and for us. It is not
// for: finding keys (federation/peer), storing nonces (store), what an origin may
// do (federation/door and above).
//
// Invariants: no byte of a body is returned before digest, signature and nonce were
// checked. Keys are ed25519.PublicKey and the algorithm is a constant: nothing a
// peer sends chooses it. A refusal is signature_invalid, whatever the reason; the
// reason is the cause, for the log.
//
// The times of a request are held against the clock of the machine, because the
// library does so too; it refuses requests from more than 10 seconds ahead.
//
// Spec: spec/60-federation.md, FED-AUTH.
//
// # Concurrency
//
// A Cavage is safe for concurrent use. Verify asks Keys and Replays, which may
// wait for network and database; no lock is held.
package auth
