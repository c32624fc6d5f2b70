// SPDX-License-Identifier: Apache-2.0

// Package report shows the results of a run: as a tree on the screen, as result.json and junit.xml for programs, and as
// one report.html for people that needs nothing beside it.
//
// It is for: wording and form. It is not for: deciding what a result means (suite.Tallies, suite.ExitCode) or taking
// secrets out of traffic (client.Redact, which has happened before anything comes here).
//
// Invariants:
//
//   - The forms say the same: they are made from one Report.
//   - report.html loads nothing from anywhere, and everything a server said is escaped in it.
//   - Every failure shows the requirement it breaks, word for word, and how to run it again.
//
// # Concurrency
//
// A Report is read-only once made. Progress is called by one goroutine at a time.
package report
