// SPDX-License-Identifier: Apache-2.0

// Package sdk is the Go client of a Parley homeserver. A Client is one device of
// one user: it registers or logs in, keeps its tokens fresh, calls the REST API,
// and while Run runs it holds a live connection through which every event of
// every conversation reaches the application once, in order and without holes.
//
// It is not a message database: it stores the session, the sync cursor, how far
// each conversation was handed over, and the messages that wait to be sent. What
// to keep and show of what it hands over is the application's business, and older
// history is fetched on demand with Messages.
//
// Invariants:
//
//   - Per conversation, events come out in order of seq, each once per Run. A
//     missing range is fetched before anything after it is handed over.
//   - The stored cursor never runs ahead of what was handed over, so after a crash
//     some updates may come again and none is missed.
//   - A message is sent under one tempId until the server acknowledges it or
//     refuses it for good, whatever happens to connections in between; messages of
//     one conversation leave in the order they were queued.
//   - A refresh whose answer was lost is tried again with the old token; at most one
//     refresh is under way.
//
// Errors that the server answered are *fault.Error, found with errors.As or
// fault.Is; all others are errors of transport or of the store.
//
// # Concurrency
//
// A Client may be used from many goroutines, but Run only once at a time. The
// channel of Events is bounded: an application that does not read it stops the
// connection from being read, and nothing is dropped. So do not wait for Send in
// the goroutine that reads Events; use SendAsync there. Run owns the ordering;
// the outbox and the pending receipts each have a leaf lock, held over no I/O.
package sdk
