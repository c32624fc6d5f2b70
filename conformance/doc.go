// SPDX-License-Identifier: Apache-2.0

// Command conformance checks a Parley homeserver against the published specification, from outside:
//
//	go run ./conformance https://chat.example
//
// It is for: anybody with a server, whoever made it and in whatever language. It is not for: tests of our own parts
// (the tests beside them), load (bench) or clients.
//
// What it does is in its folders: cases (what is asked), suite (how it is run), client (bytes on the wire), report
// (what it looks like), trace (which requirement is shown by what), mutants (servers that are wrong on purpose).
// Requirements that no case can show are in reasons.yaml, each with its reason.
//
// Invariants:
//
//   - Of this module only spec/ is imported, so the suite cannot make the mistakes of the server.
//   - Exit code 0: no profile fails. 1: one does. 2: the suite could not do its work.
//
// # Concurrency
//
// One run at a time in a process; the cases of a run go on beside each other as far as they say they can.
package main
