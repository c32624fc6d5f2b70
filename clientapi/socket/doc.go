// SPDX-License-Identifier: Apache-2.0

// Package socket is one slim server-side WebSocket connection: opaque text messages in, prepared text messages out.
//
// It gives no meaning to what it carries. Frames, sessions, faults and the reason behind a close code belong to
// package session; who may connect is decided before [Accept] by the door that calls it.
//
// The handshake and the frame layer are github.com/coder/websocket's. What this package adds is thrift:
//
//   - An idle connection holds no buffer. Four KiB come from a pool when the socket is readable and go back when
//     they are drained; the request, its headers and its context are dropped with the handler.
//   - A message is encoded once ([Prepare]) and the same bytes are written to every connection.
//   - What is pending on a connection leaves in one write.
//
// Invariants:
//
//   - Frames never interleave, since one goroutine at a time writes to the socket; the library's own control frames
//     take the same road as data.
//   - Everything is bounded: pending frames and bytes, the size of a message, the time of a write, of a silence and of
//     a close.
//   - After a close frame nothing is written.
//   - OnClose is called exactly once, after every other callback has returned.
//
// # Concurrency
//
// The methods of [Conn] may be called from any goroutine, also from within the callbacks, and never block. A
// connection has one reading goroutine, which is replaced rather than grown: a small one parks until the socket is
// readable, then a short-lived one reads and runs OnMessage until the socket is empty. A writing goroutine exists only
// while something is pending. Pings and deadlines are one timer per connection and no goroutine.
// The mutex of a connection is a leaf: it is never held over I/O or over a callback.
//
// A connection that is not a plain TCP or Unix socket, such as TLS in the process, works alike but parks inside the
// library and so costs a larger stack.
package socket
