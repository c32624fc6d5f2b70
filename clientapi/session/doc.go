// SPDX-License-Identifier: Apache-2.0

// Package session is the face of the client API that stays open: the WebSocket,
// and the event stream (SSE) for those who cannot have one.
//
// It decodes frames, calls package op, and hands live frames from core/feed to
// the connection. It knows no routes (package rest), no bytes on the wire
// (package socket) and no rules (core). One table maps frame types to handlers.
//
// Invariants: the first frame is sync, so that live frames join without a gap. A
// bad frame is answered by an error frame and the session goes on. What waits for
// a client is bounded; past it the client is told resync, or with 4100 to connect
// again. A device holds a bounded number of sockets.
//
// Spec: spec/45-socket.md.
//
// # Concurrency
//
// A Door is safe for concurrent use. Frames of one client are handled one at a
// time in order, except that the commits of its messages overlap: acks may come in
// another order than the sends, while messages of one conversation keep theirs.
package session
