// SPDX-License-Identifier: Apache-2.0

// Package chat is the terminal client behind `parley chat`: it logs a user in,
// lists conversations, shows what comes and sends what is typed. It is the SDK's
// first user and does nothing the SDK cannot do.
//
// It is not an administration tool (those are other verbs of the binary) and
// keeps no messages: what it shows of the past it asks the server for.
//
// Two faces share everything else: a terminal in raw mode, where what comes does
// not garble the line being typed, and plain lines (--plain, or when input is not
// a terminal) for scripts and tests.
//
// Invariants: text of other people reaches the screen only through clean; the
// state file is 0600, in a folder of its own per server and user, and locked, so
// that a second terminal becomes another device.
//
// # Concurrency
//
// One goroutine owns the app: updates of the SDK and lines of input meet there.
// Beside it run the SDK's Run and the reading of input.
package chat
