// SPDX-License-Identifier: Apache-2.0

// Package testenv is a test room: it runs the real homeserver, made by the real
// assembly, on a loopback port and a PostgreSQL database of its own, and gives
// tests raw clients to talk to it.
//
// Everything the server says passes internal/specguard. Clients are raw on
// purpose, HTTP requests and WebSocket frames, so that a test sees what is on the
// wire; a Book beside a Socket keeps what a device knows, and finds what came
// twice, out of order or not at all. Nothing here sleeps: waiting is for a
// condition, with a deadline after which the test ends and shows what came.
//
// It is not for crashes of processes (internal/crash), nor for measuring (bench).
// A test binary hands its TestMain to Main, which finds goroutines left behind.
//
// # Concurrency
//
// Servers, users and sockets may be used by several goroutines of a test. Methods
// that end a test when something is wrong must be called on the test's goroutine;
// their doc says so by taking no error.
package testenv
