// SPDX-License-Identifier: Apache-2.0

// Package op holds every operation of the client API once: it checks the input,
// calls core and answers with an output or a fault.
//
// It knows nothing of HTTP or of frames: rest and session are two faces of the
// same operations. It keeps no rule that core needs to be safe; what it checks is
// the shape of what a client sent, and each fault names the offending field.
//
// Invariants: an operation gets its Caller from a door that authenticated it, and
// never from the input. An error that is no fault passes through as it is; the
// door answers it with internal or unavailable.
//
// # Concurrency
//
// Every operation is safe for concurrent use.
package op
