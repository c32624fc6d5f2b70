// SPDX-License-Identifier: Apache-2.0

// Package account knows who may speak: users, passwords, devices and tokens.
//
// It registers and logs in, rotates tokens, ends devices, and tells whose access
// token a request carries. It is not for HTTP (clientapi/rest) nor SQL (store), and
// it knows no conversation.
//
// Tokens are opaque and stored as SHA-256 only. A device has a current pair of
// access and refresh token and, between a refresh and the first use of what it
// gave, a next pair:
//
//	refresh with current.refresh   next = fresh pair (an unused next is void)
//	first use of the next pair     current = next, the old refresh token is spent
//	use of a spent refresh token   the device is logged out
//
// So a lost answer to refresh costs nothing, and a copied refresh token is found
// out. A device exists exactly while it is logged in.
//
// Invariants: a username is never given out twice. A login is written only while
// the password it proved is still the account's. A revocation is committed first,
// then forgotten here, then told to Revocations; what Authenticate read before it
// is never remembered after it.
//
// # Concurrency
//
// Accounts is safe for concurrent use. Its locks are leaves, none held over I/O.
// Run owns the only goroutine.
package account
