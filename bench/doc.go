// SPDX-License-Identifier: Apache-2.0

// Command bench measures a real server process under load: durable messages
// between pairs of users over WebSocket, in messages for each CPU-second of the
// server and its PostgreSQL together, the load generator left out.
//
//	go run ./bench -pairs 50 -window 16 -seconds 10
//	go run ./bench -idle 4000
//	go run ./bench -channel 1000000 -window 1
//	go run ./bench -federated -pairs 20
//	go run ./bench -join 1000000
//
// It starts `parley serve` (built from this tree, or -binary) on a data folder of
// its own with fsync on, and reads CPU times from /proc, so it runs on Linux.
// It is not a test: nothing fails on a slow machine. It imports the protocol only
// and talks to the server as any client.
//
// # Concurrency
//
// One process; each user is a connection with a reader and a writer goroutine.
package main
