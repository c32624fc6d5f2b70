// SPDX-License-Identifier: Apache-2.0

// Package cases holds the conformance cases, one explicit list for each area.
//
// It is for: what is asked of a server, as values of suite.Case, and the small vocabulary (actor, talk) they are
// written in. It is not for: running and counting them (package suite), the bytes on the wire (package client), or
// requirements that no case can show (reasons.yaml, one folder up).
//
// Invariants:
//
//   - Each case names the requirements it shows and quotes them; quotes.txt holds the sentences as they were when the
//     cases were written, and a test compares them with spec/requirements.yaml. When a sentence changes, somebody
//     reads its cases and then runs `go run ./conformance/trace -quotes`.
//   - A case makes its own conversations, with accounts that no other case holds meanwhile.
//   - Waiting is by condition with a deadline. No case sleeps to let something happen.
//   - No case knows who made the server.
//
// # Concurrency
//
// All returns new values each time; what they share is read-only.
package cases
