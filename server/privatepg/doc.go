// SPDX-License-Identifier: Apache-2.0

// Package privatepg runs a PostgreSQL server of our own as a child process, for an installation that names no database
// in its configuration.
//
// It is for: finding the server programs, choosing the user that may run them, making the data folder, starting,
// supervising and stopping the server. It is not for: tables (migrations), queries (store), or a PostgreSQL that
// somebody else runs (store opens that by its DSN).
//
// Invariants:
//
//   - A folder that holds data is never deleted, moved or started by other hands: initdb writes only to "<dir>.new",
//     which becomes "<dir>" by one rename, so "<dir>" is complete or absent.
//   - One process at a time: "<dir>.lock" is held with flock for the life of a Cluster, and a server that somebody else
//     runs on the folder is refused, not fought.
//   - The child does not outlive us. It is told to stop by the kernel (Pdeathsig) even if we are killed; the next Open
//     waits for that to end.
//   - No TCP. The socket lies in a private folder with mode 0700, which is why "trust" is enough.
//   - What the server wrote is durable: fsync, synchronous_commit and full_page_writes stay on unless
//     Options.Settings (tests) says otherwise.
//
// As root the child runs as user postgres, else nobody; if those may not reach the data folder, it runs in a user
// namespace with its owner mapped to root. The owner of an existing folder decides before all that.
//
// # Concurrency
//
// All methods of Cluster are safe for concurrent use. Run may be called once. One goroutine, locked to its thread
// from Open to Close, starts every child, because Pdeathsig follows the thread that forked; one more waits for each
// child and ends with it.
package privatepg
