// SPDX-License-Identifier: Apache-2.0

// Package id holds the identifiers of the protocol: users, devices,
// conversations, messages and server names, and the logical shard each belongs to.
//
// It parses and prints them, and knows nothing of who exists. Identifiers are
// ASCII and compared bytewise; a value of one of these types made by a Parse
// function or a New function is well formed.
//
// Message ids are ULIDs that carry the order: 48 bits of hub time in
// milliseconds, 40 bits of seq, 40 bits of the submission hash. So they increase
// strictly within a conversation, need no index to find their place in the log,
// and a follower can recompute them.
//
// Spec: spec/10-identifiers.md.
//
// # Concurrency
//
// Everything here is a value.
package id
