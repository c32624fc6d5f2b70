// SPDX-License-Identifier: Apache-2.0

// Package accounttest says what accounts do, as tests that run on any store: on
// Memory beside core/account, and on PostgreSQL beside store. So the fake may not
// lie.
//
// It is for tests only. Run is the contract; Room, Clock, Hashes and Memory are its
// furniture, which other tests may use as well.
//
// # Concurrency
//
// Memory, Clock, Hashes and Revocations are safe for concurrent use.
package accounttest
