// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley.chat/internal/history"
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
	path, first := binary(t), firstSeed()
	var sum total
	for n := 0; n*killsPerRun < *kills; n++ {
		o := Options{Binary: path, Seed: first + uint64(n), Kills: min(killsPerRun, *kills-n*killsPerRun)}
		result := check(t, o, o.Kills, func(context.Context, *world) error { return nil })
		mustSeeThroughALie(t, result)
		sum.add(result)
	}
	t.Logf("\n%s", &sum)
}

// mustSeeThroughALie shows that the verdict over this very run would have been another if a server had acknowledged
// something it then lost, or had lost something it had acknowledged.
func mustSeeThroughALie(t *testing.T, r *Result) {
	t.Helper()
	last := slices.IndexFunc(r.History, func(rec history.Record) bool { return rec.Op == history.OK })
	ack := r.History[last]
	lied := slices.Clone(r.History)
	for i := range lied {
		if rec := &lied[i]; rec.TempID == ack.TempID && rec.Device == ack.Device && (rec.Op == history.Invoke || rec.Op == history.OK) {
			rec.TempID = "lost"
		}
	}
	if history.Check(lied, r.Log).Count(history.NoLoss) == 0 {
		t.Error("an acknowledgement of what the log does not hold was not noticed")
	}
	short := map[string][]history.Entry{}
	for name, entries := range r.Log {
		short[name] = slices.DeleteFunc(slices.Clone(entries), func(e history.Entry) bool { return e.MessageID == ack.MessageID })
	}
	if history.Check(r.History, short).Count(history.NoLoss) == 0 {
		t.Error("a log that lost what was acknowledged was not noticed")
	}
}

// binary builds the server once for a test.
func binary(t *testing.T) string {
	t.Helper()
	path, err := Build(t.Context(), t.TempDir(), *raceServer)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func firstSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return uint64(time.Now().UnixNano() % 1e9)
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

// check makes a run and fails the test, keeping all evidence, unless everything was right. again is the value of -kills that
// repeats it.
func check(t *testing.T, o Options, again int, invite func(context.Context, *world) error) *Result {
	t.Helper()
	o.Dir, o.Progress = folder(t), os.Stdout
	result, err := runWith(t.Context(), o, invite)
	t.Logf("\n%s", result)
	if err == nil && (result.told == 0 || result.held == 0) {
		t.Error("no receipt was held against an answer")
	}
	if err == nil && result.OK() {
		if err := os.RemoveAll(o.Dir); err != nil {
			t.Error(err)
		}
		return result
	}
	kept := filepath.Join(*keep, fmt.Sprintf("seed-%d", o.Seed))
	if e := result.Keep(kept); e != nil {
		t.Error(e)
	}
	t.Fatalf("error: %v\nagain: go test ./internal/crash -count=1 -v -run %s -kills=%d -seed=%d\nhistory in %s, data and server log in %s",
		err, t.Name(), again, o.Seed, kept, o.Dir)
	return nil
}
