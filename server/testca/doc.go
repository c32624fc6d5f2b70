// SPDX-License-Identifier: Apache-2.0

// Package testca makes a private certificate authority and certificates of servers, for deployments that
// nobody else reaches: two servers on one machine, a demonstration in containers.
//
// It is for: files on disk that tls.cert, tls.key and federation.caFile name. It is not for a server on the
// internet, which gets its certificate from a public authority; nor for the keys that sign between servers
// (server/keyring).
//
// Invariants:
//
//   - What is there and good for a month more is kept; only what is missing, about to end, of another
//     authority or for another name is made anew.
//   - A file is whole or not there: it is written beside and renamed, the key before its certificate.
//   - Private keys are for their owner only.
//
// # Concurrency
//
// One Make at a time in a folder.
package testca
