// SPDX-License-Identifier: Apache-2.0

// Package archtest keeps the house as docs/architecture.md draws it: a test fails when an import runs upward or
// sideways, when a file or function grows too long, or when the drawing is not current.
//
// It is for: floors and the arrows between folders, forbidden imports, package docs, licence lines and sizes, and the
// one way in for entries of other servers. It is not for: what code does (the tests beside it), or style that a
// formatter or staticcheck knows.
//
// Invariants:
//
//   - Every package has a place on a floor; one without is a finding, so a new folder is a decision.
//   - A sideways arrow needs an entry in the table of laws.go, with its reason.
//   - The laws are pure functions over a graph or a file, and are themselves tested with ones that break them.
//
// Only imports of the programs count. Tests may look anywhere.
//
// # Concurrency
//
// Nothing here is shared; functions may be called from parallel tests.
package archtest
