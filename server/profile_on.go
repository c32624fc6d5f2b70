// SPDX-License-Identifier: Apache-2.0

//go:build profile

package main

import (
	"os"
	"runtime/pprof"
)

// profile writes a CPU profile of the whole run to PARLEY_TEST_PROFILE. It is compiled in for measuring only.
func profile() (stop func()) {
	f, err := os.Create(os.Getenv("PARLEY_TEST_PROFILE"))
	if err != nil || pprof.StartCPUProfile(f) != nil {
		return func() {}
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }
}
