// SPDX-License-Identifier: Apache-2.0

// Package text judges the texts that people write for others to see beside messages: names, descriptions, and the addresses of
// pictures and media. What it refuses either shows as something else than it is, or not at all.
//
// It judges form only: whether a name is taken, or whether something is there at an address, is for others to know. The text
// of messages is not judged here or anywhere; whoever shows it takes care of how it looks.
//
// Spec: spec/15-encoding.md.
//
// # Concurrency
//
// Everything here is a pure function.
package text
