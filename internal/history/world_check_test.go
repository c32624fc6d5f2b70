// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"testing"

	"math/rand/v2"

	"pgregory.net/rapid"
)

func TestCheck_ValidHistoriesAreAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") }
		w := newWorld(draw, 1+draw(3), 4+draw(4))
		for range draw(300) {
			w.step()
		}
		if draw(4) > 0 {
			w.rest()
		}
		if report := Check(w.rec.History(), w.final()); !report.OK() {
			t.Fatalf("a valid history was refused:\n%s", report)
		}
	})
}

func TestCheck_LongValidHistoriesExerciseEveryRule(t *testing.T) {
	for seed := range uint64(20) {
		w := seeded(seed, 5000)
		s := requireOK(t, w.rec.History(), w.final()).Stats
		for name, n := range map[string]int{
			"acked": s.Acked, "failed": s.Failed, "unknown": s.Unknown, "unknown done": s.UnknownDone,
			"duplicates": s.Duplicates, "reads": s.Reads, "marks": s.QuietMarks,
			"retries": s.Attempts - s.Sends, "unknown not done": s.Unknown - s.UnknownDone,
		} {
			if n == 0 {
				t.Errorf("seed %d: the history has no %s, so it proves little", seed, name)
			}
		}
		if s.Unjoined != 0 {
			t.Errorf("seed %d: %d readers without a join", seed, s.Unjoined)
		}
	}
}

func TestCheck_OrderOfPartsDoesNotMatterAfterMerge(t *testing.T) {
	w := seeded(3, 3000)
	whole := w.rec.History()
	byDevice := map[string]History{}
	for _, rec := range whole {
		byDevice[rec.Device] = append(byDevice[rec.Device], rec)
	}
	var parts []History
	for _, part := range byDevice {
		parts = append(parts, part)
	}
	merged := Merge(parts...)
	if len(merged) != len(whole) {
		t.Fatalf("merged %d records of %d", len(merged), len(whole))
	}
	if got, want := requireOK(t, merged, w.final()).Stats, Check(whole, w.final()).Stats; got != want {
		t.Errorf("stats differ: %+v and %+v", got, want)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			w := newWorld(rng.IntN, 20, 40)
			for len(w.rec.records) < n {
				w.step()
			}
			w.rest()
			h, final := w.rec.History(), w.final()
			b.ReportAllocs()
			for b.Loop() {
				requireOK(b, h, final)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(h)), "ns/record")
		})
	}
}
