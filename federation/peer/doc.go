// SPDX-License-Identifier: Apache-2.0

// Package peer finds other homeservers and talks to them: discovery, a client that
// dials only public addresses, and their keys.
//
// It is for: server name -> place (Finder), request -> answer (Client), server and
// key id -> public key (Keyring). It is not for: verifying what comes in
// (federation/auth), retrying and queues (above), or what is said.
//
// Invariants:
//
//   - A name that somebody else gave never makes us connect to an internal address:
//     names are resolved once, every address is checked, and the checked address is
//     dialled. Redirects are never followed, proxies never used, ports below 1024
//     other than 443 never dialled.
//   - The TLS certificate is one for the server name, or for the host that the
//     server name's own well-known file names. It is always verified.
//   - Every answer is bounded in size and time, and is read as it is: compressed
//     ones are refused.
//   - A server is asked for its keys at most once a minute, by one goroutine, however
//     many requests wait; servers never heard of are asked at a bounded rate; all
//     caches are bounded.
//
// Spec: spec/60-federation.md, FED-FIND, FED-KEYS, FED-LIMIT.
//
// # Concurrency
//
// Finder, Client and Keyring are safe for concurrent use. Locks are leaves; none is
// held over I/O.
package peer
