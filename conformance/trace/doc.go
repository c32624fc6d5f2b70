// SPDX-License-Identifier: Apache-2.0

// Command trace follows each requirement to the code that implements it and the case that shows it.
//
//	go run ./conformance/trace            print the table; fail if something is amiss
//	go run ./conformance/trace -write     also write spec/coverage.md and new ids into spec/requirements.lock
//	go run ./conformance/trace -quotes    also take the present sentences into cases/quotes.txt, after reading the cases
//
// It is for: the links between spec/requirements.yaml, comments of the form `// spec: ID` in Go code, the cases, and
// reasons.yaml. It is not for: whether a case passes (the suite) or whether prose and list agree (internal/gen/specreq).
//
// Invariants:
//
//   - Amiss are: an id that does not exist, in code, case, reason or the list of published ids; a MUST with neither
//     case nor reason; one with both; a sentence that changed since its cases were written.
//   - The published ids in spec/requirements.lock only grow.
//
// # Concurrency
//
// One goroutine; it runs and ends.
package main
