// SPDX-License-Identifier: Apache-2.0

// Package consent says how a conversation begins for a user whom another one put into it: as usual, as a request, out of sight,
// or not at all.
//
// It is the one place that knows: who makes a conversation on this server, and who makes one on another, meet the same rules. It is
// not for keeping settings and blocks (core/account), nor what follows from prefs (core/timeline).
//
// Invariant: only users of this server are judged. What a user of another server wants of a conversation is known there alone, and
// he has no prefs here.
//
// Spec: spec/34-personal.md, REQUEST and BLOCK; spec/60-federation.md, FED-INVITE.
//
// # Concurrency
//
// Rules are a value and safe for concurrent use.
package consent
