// SPDX-License-Identifier: Apache-2.0

// Package spectext reads the prose of spec/ and writes what is generated from
// the specification: requirements.yaml, errors.md and the table of limits.
//
// A requirement is a sentence with MUST, SHOULD or MAY that ends with its id in
// brackets. Requirements finds them and refuses prose in which a normative
// sentence has no id, an id has no normative sentence, or an id stands twice.
//
// It does not judge what the sentences say, and knows nothing of code that cites
// them: that is the business of the lint test in spec/.
//
// # Concurrency
//
// Functions are pure and may be called from any goroutine.
package spectext
