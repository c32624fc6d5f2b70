// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"parley.chat/server/privatepg/pgtest"
)

// Main runs the tests of a package, looks for goroutines they left, removes the database cluster, and exits.
func Main(m *testing.M) { os.Exit(pgtest.Run(leakless{m})) }

// Leakless is a test run that fails if it leaves goroutines of ours, without a database.
func Leakless(m *testing.M) interface{ Run() int } { return leakless{m} }

// leakless is a test run that fails if it leaves goroutines of ours.
type leakless struct{ m interface{ Run() int } }

// Run runs the tests.
func (l leakless) Run() int {
	code := l.m.Run()
	if code != 0 {
		return code
	}
	if err := until(10*time.Second, func() bool { return len(leaks()) == 0 }); err != nil {
		for _, l := range leaks() {
			fmt.Fprintf(os.Stderr, "testenv: goroutine left behind:\n%s\n\n", l)
		}
		return 1
	}
	return 0
}

// leaks are the stacks that run through our code, apart from this one and from the cluster of pgtest.
func leaks() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var out []string
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i > 0 && strings.Contains(stack, "parley.chat/") && !strings.Contains(stack, "parley.chat/server/privatepg") &&
			!strings.Contains(stack, "testing.(*M).Run") && !strings.Contains(stack, "os.Exit") {
			out = append(out, stack)
		}
	}
	return out
}
