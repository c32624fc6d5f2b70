// SPDX-License-Identifier: Apache-2.0

// Package config reads the one configuration file of the server and the PARLEY_… environment variables over it.
//
// It is for: defaults, reading, and refusing wrong values, all of them at once, each with the line or the variable it
// came from. It is not for: limits that the protocol fixes (spec/limits.yaml), or handing itself around: only server/
// imports it, and gives every part the few values that part needs.
//
// Invariants:
//
//   - Config is the single source: its tags make the YAML keys, the variables and the table in docs/config.md.
//   - Unknown keys and unknown PARLEY_… variables are mistakes.
//   - A Secret never shows itself in a log or an error.
//
// # Concurrency
//
// Load may be called from anywhere. A Config is a value; nobody changes it after Load.
package config
