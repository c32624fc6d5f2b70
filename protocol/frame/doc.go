// SPDX-License-Identifier: Apache-2.0

// Package frame holds the frames of the socket, `{"type":…,"data":{…}}`, and the
// records they share with the REST API: Event, Conversation, Receipt, Sync.
//
// It gives shapes and names only: what a frame means is in spec/40-sync.md and
// spec/45-socket.md, what a server does with it in clientapi/session. The REST
// bodies that are no frames are in protocol/rest.
//
// # Concurrency
//
// Everything here is a value.
package frame
