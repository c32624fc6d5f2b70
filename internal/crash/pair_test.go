// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"parley.chat/internal/history"
)

var (
	pairKills = flag.Int("pair-kills", 0, "how many kills of two servers that federate")
	pairCuts  = flag.Int("pair-cuts", 0, "how many cuts of their link")
)

func TestPair_TwoServersHoldOneLog(t *testing.T) {
	if *pairKills == 0 {
		t.Skip("starts real servers: -pair-kills=N, as make check-crash does")
	}
	path, first := binary(t), firstSeed()
	for n := 0; n*killsPerRun < *pairKills; n++ {
		o := Options{Binary: path, Seed: first + uint64(n), Kills: min(killsPerRun, *pairKills-n*killsPerRun)}
		o.Dir, o.Progress = folder(t), os.Stdout
		cuts := (*pairCuts*o.Kills + *pairKills - 1) / *pairKills
		result, err := runPair(t.Context(), o, cuts)
		t.Logf("\n%s", result)
		if err == nil && result.OK() {
			mustSeeTwoLogs(t, result)
			if err := os.RemoveAll(o.Dir); err != nil {
				t.Error(err)
			}
			continue
		}
		kept := filepath.Join(*keep, fmt.Sprintf("pair-seed-%d", o.Seed))
		if e := result.Keep(kept); e != nil {
			t.Error(e)
		}
		t.Fatalf("error: %v\nagain: go test ./internal/crash -count=1 -v -run %s -pair-kills=%d -pair-cuts=%d -seed=%d\nhistory in %s, data and logs in %s",
			err, t.Name(), o.Kills, cuts, o.Seed, kept, o.Dir)
	}
}

// mustSeeTwoLogs shows that the verdict over this very run would have been another if a server had lost what it accepted, or if the
// two held different logs.
func mustSeeTwoLogs(t *testing.T, r *PairResult) {
	t.Helper()
	last := slices.IndexFunc(r.History, func(rec history.Record) bool { return rec.Op == history.OK })
	ack := r.History[last]
	lied := slices.Clone(r.History)
	for i := range lied {
		if rec := &lied[i]; rec.TempID == ack.TempID && rec.Device == ack.Device && (rec.Op == history.Invoke || rec.Op == history.OK) {
			rec.TempID = "lost"
			if rec.Op == history.OK {
				rec.Op = history.Accepted
			}
		}
	}
	if history.Check(lied, r.Log).Count(history.NoLoss) == 0 {
		t.Error("a message that was accepted and is in no log was not noticed")
	}
	for name, one := range r.Replicas {
		for what, other := range map[string][]history.Entry{
			"lost an entry":    slices.Delete(slices.Clone(one.Other), len(one.Other)/2, len(one.Other)/2+1),
			"doubled an entry": append(slices.Clone(one.Other), one.Other[len(one.Other)-1]),
			"is empty":         nil,
		} {
			if history.Same(map[string]history.Replica{name: {Hub: one.Hub, Other: other, From: one.From}}).OK() {
				t.Errorf("%s: that a replica %s was not noticed", name, what)
			}
		}
	}
}

func TestPairPlan_HitsEverythingFromBothSides(t *testing.T) {
	for seed := range uint64(50) {
		plan := PairPlan(rand.New(rand.NewPCG(seed, 1)), 24, 8)
		kinds, points, cuts, kills := map[string]int{}, map[string]bool{}, 0, 0
		for _, s := range plan {
			if s.Cut != nil {
				cuts++
			}
			if s.Kill == "" {
				continue
			}
			kills++
			kinds[fmt.Sprint(s.Kill, s.Side)]++
			if s.Arm != "" {
				points[s.Arm[:len(s.Arm)-2]] = true
				if s.Kill == Postgres {
					t.Errorf("seed %d: a database has a failpoint", seed)
				}
			}
		}
		if kills != 24 || cuts != 8 || len(kinds) != 8 {
			t.Errorf("seed %d: %d kills, %d cuts, kinds %v", seed, kills, cuts, kinds)
		}
	}
}
