// SPDX-License-Identifier: Apache-2.0

//go:build failpoint

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// failpoint reads PARLEY_TEST_FAILPOINT=<point>:<n>: the process kills itself when it comes to the point for the n-th time. It
// is compiled in for crash tests only.
func failpoint() func(string) {
	name, count, ok := strings.Cut(os.Getenv("PARLEY_TEST_FAILPOINT"), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if !ok || err != nil {
		return nil
	}
	var left atomic.Int64
	left.Store(n)
	return func(point string) {
		if point == name && left.Add(-1) == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}
