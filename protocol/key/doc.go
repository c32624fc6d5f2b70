// SPDX-License-Identifier: Apache-2.0

// Package key holds the keys a server signs with as others see them: a Key with
// its life, and the Document in which a server publishes its keys, signed by
// themselves.
//
// It is for making, reading and checking documents. It is not for: private keys on
// disk (server/homeserver), fetching and caching (federation/peer), or requests
// (federation/auth).
//
// Invariants: Parse accepts exactly the bytes that Sign would make of the same
// keys, so one document has one spelling. Every key in a Document that Parse
// returned has the right length, is encoded canonically and is not of small order,
// so a verifier never panics on it and nobody can make a signature that fits every
// message. At least one of the current keys has signed the document.
//
// Spec: spec/60-federation.md, FED-KEYS.
//
// # Concurrency
//
// Everything here is a value. The byte slices of a Key are not changed after it
// was made.
package key
