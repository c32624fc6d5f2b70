// SPDX-License-Identifier: Apache-2.0

// Package sdktest is a homeserver in memory for tests of the SDK and of what is
// built on it. It speaks the REST API and the socket well enough for a client,
// and misbehaves when told: it drops connections, loses acknowledgements after
// storing, doubles, reorders and loses live frames, refuses sockets and tokens.
//
// It is not a reference: what a server must do is in spec/, and the real one is
// server/homeserver. It checks no roles and keeps nothing.
//
// # Concurrency
//
// A Server is safe for concurrent use. Set the On… hooks and the limits before
// clients connect or from the goroutine that makes events happen; hooks run under
// the server's lock and must not call it.
package sdktest
