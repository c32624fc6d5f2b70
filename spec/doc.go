// SPDX-License-Identifier: Apache-2.0

// Package spec is the law of the Parley protocol: prose, schemas, examples,
// vectors, limits and the error catalogue, embedded so that the server can show
// them and the test rooms can hold everything against them.
//
// It holds data and no rules: what the law says is done in protocol and core,
// checked by internal/specguard, and shown by web. Nothing in this folder may
// depend on the implementation.
//
// Generated files are errors.md (from errors.yaml) and requirements.yaml (from
// the prose); `go generate` in this folder makes both, and a test keeps them
// current.
//
// # Concurrency
//
// The files are read-only and may be read from any goroutine.
package spec
