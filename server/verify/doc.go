// SPDX-License-Identifier: Apache-2.0

// Package verify is `parley verify`: it checks, offline, a conversation that was exported, from its first entry to its head.
//
// It says whether the chain holds, every sender had the right to what stands there, the hub signed the head, and the servers of
// remote authors signed what they sent. The keys come with the file; it prints their fingerprints, because that they
// are those of the servers named only their owners can tell.
//
// It is not for: running servers, which verify everything before they take it (federation/replica), and the network.
//
// # Concurrency
//
// Everything here is called once and returns.
package verify
