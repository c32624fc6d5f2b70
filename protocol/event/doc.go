// SPDX-License-Identifier: Apache-2.0

// Package event holds the objects of the log in their canonical, hashed form:
// create, content, submission, entry, state and checkpoint.
//
// A submission is what an author's server vouches for and has no order; an entry
// adds the hub's order and chains to the entry before it. The entry hash covers
// a salted commitment to the content, not the content, so content can be erased
// while the chain still verifies. It decides nothing: the rules are in
// core/conversation. Names and limits of what clients see are in protocol/frame.
//
// Spec: spec/20-log.md. Every hash is SHA-256("parley/v1/<domain>\n" || canonical bytes).
//
// # Concurrency
//
// Everything here is a value; functions are pure.
package event
