// SPDX-License-Identifier: Apache-2.0

//go:build !profile

package main

// profile is nothing in a release: see profile_on.go.
func profile() (stop func()) { return func() {} }
