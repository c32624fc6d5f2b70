// SPDX-License-Identifier: Apache-2.0

// Package pgtest gives tests a real PostgreSQL database each, in some ten milliseconds.
//
// One throw-away cluster per test binary is started at the first use, with fsync off, and each test gets a fresh
// database in it. A package that uses it should hand its TestMain to Main, which removes the cluster:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// Without Main the server ends with the binary as well, and the next test binary removes its folder.
//
// It is not for tests of durability or crashes: those open a cluster of their own with privatepg.
//
// # Concurrency
//
// All functions are safe for parallel tests. The cluster is the only state of the package; it is made once.
package pgtest
