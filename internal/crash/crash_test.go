// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	kills      = flag.Int("kills", 1, "how many kills")
	seed       = flag.Uint64("seed", 0, "what kills and load are drawn from; 0 takes the clock")
	raceServer = flag.Bool("race-server", false, "build the server with the race detector")
	keep       = flag.String("keep", filepath.Join(os.TempDir(), "parley-crash"), "folder for the histories of failed runs")
)

// killsPerRun bounds the history that is held in memory.
const killsPerRun = 100

func TestCrash_WhatWasAcknowledgedIsKeptOnceAndInOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	binary, err := Build(t.Context(), t.TempDir(), *raceServer)
	if err != nil {
		t.Fatal(err)
	}
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano() % 1e9)
	}
	for n := 0; n*killsPerRun < *kills; n++ {
		oneRun(t, Options{Binary: binary, Seed: first + uint64(n), Kills: min(killsPerRun, *kills-n*killsPerRun)})
	}
}

// folder makes a short one that PostgreSQL's user may pass through.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "parley-crash-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func oneRun(t *testing.T, o Options) {
	t.Helper()
	o.Dir, o.Progress = folder(t), os.Stdout
	result, err := Run(t.Context(), o)
	t.Logf("\n%s", result)
	if err == nil && result.OK() {
		if err := os.RemoveAll(o.Dir); err != nil {
			t.Error(err)
		}
		return
	}
	kept := filepath.Join(*keep, fmt.Sprintf("seed-%d", o.Seed))
	if e := result.Keep(kept); e != nil {
		t.Error(e)
	}
	t.Fatalf("%v\nagain: go test ./internal/crash -count=1 -v -kills=%d -seed=%d\nhistory in %s, data and server log in %s",
		err, *kills, o.Seed, kept, o.Dir)
}
