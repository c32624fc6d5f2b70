// SPDX-License-Identifier: Apache-2.0

// Package fault is the error catalogue in Go: a fault is a refusal with a
// stable code that a client may see, an error is anything else.
//
// codes_gen.go is generated from spec/errors.yaml. A fault has a public
// message and, apart from it, an internal cause: the cause is logged and never
// sent. Only the doors turn a code into an HTTP status or a close code, through
// Info. Whatever is not a fault becomes Internal at the door.
//
// # Concurrency
//
// A *Error is immutable once it left the function that made it.
package fault
