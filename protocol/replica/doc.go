// SPDX-License-Identifier: Apache-2.0

// Package replica holds what homeservers say to each other about the logs of conversations: records of entries, ranges of them,
// snapshots, transactions and submissions, and the bodies of the operations below /federation/v1.
//
// It reads and writes them strictly: objects that are hashed or signed (submission, entry, checkpoint) are refused unless
// their bytes are the one canonical encoding, because servers that repaired them and servers that did not would
// disagree on one log. Members around them that it does not know are ignored.
//
// It verifies no signature and no chain: federation/replica does the one, core/timeline the other. It knows nothing of HTTP.
//
// Spec: spec/60-federation.md, spec/federation.yaml.
//
// # Concurrency
//
// Everything here is a value; functions are pure.
package replica
