// SPDX-License-Identifier: Apache-2.0

// Package suite runs conformance cases against a server and counts the results.
//
// It is for: what a case is, its statuses, the accounts it leases, waiting by condition, the runner with its one
// retry, profiles, and the requirements read from spec/. It is not for: what the cases are (package cases), how
// bytes go over the wire (package client), or what a result looks like to a person (package report).
//
// Invariants:
//
//   - A case never learns who made the server; it learns features and limits from discovery.
//   - A fault of the suite is `error`, never `fail`; a lack of what a case needs is `impossible`, never `pass`.
//   - An answer that breaks the published schemas fails the case in which it came, whatever the case was about.
//   - Two cases never hold the same account at the same time.
//
// # Concurrency
//
// Run starts one goroutine for each case that may run beside others, at most Options.Parallel at a time. A T is for
// the goroutine of its case. Env and its accounts are safe for all of them.
package suite
