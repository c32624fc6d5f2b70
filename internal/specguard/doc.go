// SPDX-License-Identifier: Apache-2.0

// Package specguard is a test room: it holds what a running server says against
// the published law in spec/.
//
// Transport wraps the transport of an HTTP client. Every answer that passes is
// checked: the status is documented for the operation, the body has exactly the
// documented fields and types, the code of a problem is one of the operation's
// x-errors and fits the status, 429 and 503 say when to try again. A request
// that the law refuses must not have been accepted. Upgrades, event streams,
// metrics and pages for people pass unread.
//
// Frame checks one frame of the server, ClientFrame one of a client.
//
// The guard knows shapes, not meaning: whether the right events arrived is the
// business of the suites that use it.
//
// # Concurrency
//
// The schemas are compiled once per process. Everything may be called from any
// goroutine while the test runs; findings are reported with t.Errorf, so they
// never stop the test.
package specguard
