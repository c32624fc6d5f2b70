// SPDX-License-Identifier: Apache-2.0

// Package doctor examines a server from outside, as another server would meet it:
// its name, DNS, the well-known file, the connection and its certificate, the
// keys, the clock, and a signed round trip.
//
// It is for operators: every finding says what was seen, what is wrong and what to
// do. It is not for monitoring, and changes nothing.
//
// Invariants: it connects only where a homeserver with the same configuration would.
// A step that cannot be made because of one before it is not reported as wrong.
//
// # Concurrency
//
// An examination runs on the goroutine of its caller.
package doctor
