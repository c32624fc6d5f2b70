// SPDX-License-Identifier: Apache-2.0

//go:build !failpoint

package main

// failpoint is nothing in a release: see failpoint_on.go.
func failpoint() func(string) { return nil }
