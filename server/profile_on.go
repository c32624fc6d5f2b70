// SPDX-License-Identifier: Apache-2.0

//go:build profile

package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// profile writes a CPU profile of the whole run to PARLEY_TEST_PROFILE, and at SIGUSR1 a heap profile beside it. It is compiled
// in for measuring only.
func profile() (stop func()) {
	f, err := os.Create(os.Getenv("PARLEY_TEST_PROFILE"))
	if err != nil || pprof.StartCPUProfile(f) != nil {
		return func() {}
	}
	heap := make(chan os.Signal, 1)
	signal.Notify(heap, syscall.SIGUSR1)
	go func() {
		for range heap {
			if h, err := os.Create(os.Getenv("PARLEY_TEST_PROFILE") + ".heap"); err == nil {
				_ = pprof.WriteHeapProfile(h)
				_ = h.Close()
			}
		}
	}()
	return func() { pprof.StopCPUProfile(); _ = f.Close() }
}
