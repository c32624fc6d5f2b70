// SPDX-License-Identifier: Apache-2.0

// Package keyring has this homeserver's own keys: private parts in the data folder,
// ids and lives in the database, and the document that publishes them.
//
// The first key is signing.key, made with the homeserver. Rotate adds a key in a
// file of its own and gives the others an end; all sign until then, the newest one
// first of all that are at hand. Revoke ends a key at once. A running server notices
// both by itself.
//
// It is for: which key signs now, rotation, revocation, publishing. It is not for:
// keys of others (federation/peer) or the form of the document (protocol/key).
//
// Invariants: a file is on disk before the database knows its key, so no key is
// published that nobody holds. There is always a key to sign with: the last one is
// not revoked. Private keys are never logged and never leave this package but for
// signing.
//
// # Concurrency
//
// A Ring is safe for concurrent use; its lock is a leaf, not held over I/O.
package keyring
