// SPDX-License-Identifier: Apache-2.0

package history

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// mutant is a valid history that a mutation spoils. The finders return random candidates and skip the mutation if
// there is none.
type mutant struct {
	rng   *rand.Rand
	h     History
	final map[string][]Entry
}

// inapplicable is the panic of a finder that found nothing.
type inapplicable struct{}

func newMutant(w *world, seed uint64) *mutant {
	return &mutant{rng: rand.New(rand.NewPCG(seed, 99)), h: w.rec.History(), final: w.final()}
}

// find returns the index of a random record for which ok holds.
func (m *mutant) find(ok func(r *Record) bool) int {
	start := m.rng.IntN(len(m.h))
	for k := range m.h {
		if i := (start + k) % len(m.h); ok(&m.h[i]) {
			return i
		}
	}
	panic(inapplicable{})
}

func (m *mutant) record(ok func(r *Record) bool) *Record { return &m.h[m.find(ok)] }

func (m *mutant) op(op Op) *Record {
	return m.record(func(r *Record) bool { return r.Op == op })
}

func (m *mutant) has(ok func(r *Record) bool) bool {
	return slices.ContainsFunc(m.h, func(r Record) bool { return ok(&r) })
}

func (m *mutant) remove(drop func(r *Record) bool) {
	m.h = slices.DeleteFunc(m.h, func(r Record) bool { return drop(&r) })
}

func (m *mutant) need(ok bool) {
	if !ok {
		panic(inapplicable{})
	}
}

// log returns a random conversation and its final log.
func (m *mutant) log() (string, []Entry) {
	names := slices.Sorted(maps.Keys(m.final))
	name := names[m.rng.IntN(len(names))]
	return name, m.final[name]
}

// append puts a copy of an entry at the end of a log.
func (m *mutant) append(name string, e Entry) {
	e.Seq = int64(len(m.final[name]))
	m.final[name] = append(m.final[name], e)
}

// joinedFromStart reports whether the reader of a record has a whole membership, so that a hole must be noticed.
func (m *mutant) joinedFromStart(r *Record) bool {
	return m.has(func(o *Record) bool { return o.Op == Join && sameReader(o, r) && o.Seq == 0 }) &&
		!m.has(func(o *Record) bool { return o.Op == Leave && sameReader(o, r) })
}

func sameReader(a, b *Record) bool { return a.Device == b.Device && a.Conversation == b.Conversation }

func sameSend(a, b *Record) bool { return sameReader(a, b) && a.TempID == b.TempID }

func (m *mutant) acked(r *Record) bool {
	return m.has(func(o *Record) bool { return o.Op == OK && sameSend(o, r) })
}

// onlyUnknown returns the invocation of a send that has neither an OK nor a Fail.
func (m *mutant) onlyUnknown(inLog bool) *Record {
	return m.record(func(r *Record) bool {
		return r.Op == Invoke && m.inLog(r) == inLog &&
			!m.has(func(o *Record) bool { return (o.Op == OK || o.Op == Fail) && sameSend(o, r) })
	})
}

func (m *mutant) inLog(r *Record) bool {
	return slices.ContainsFunc(m.final[r.Conversation], func(e Entry) bool {
		return e.Device == r.Device && e.TempID == r.TempID
	})
}

// apply runs the mutation and reports whether it found something to spoil.
func (m *mutant) apply(mutate func(m *mutant)) (applied bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(inapplicable); !ok {
				panic(r)
			}
			applied = false
		}
	}()
	mutate(m)
	return true
}

func TestCheck_EveryMutationIsCaughtByItsRule(t *testing.T) {
	const seeds = 25
	worlds := make([]*world, seeds)
	for i := range worlds {
		worlds[i] = seeded(uint64(i), 900)
		requireOK(t, worlds[i].rec.History(), worlds[i].final())
	}
	for _, mut := range mutations {
		t.Run(mut.name, func(t *testing.T) {
			applied := 0
			for seed, w := range worlds {
				m := newMutant(w, uint64(seed))
				if !m.apply(mut.mutate) {
					continue
				}
				applied++
				if report := Check(m.h, m.final); report.Count(mut.rule) == 0 {
					t.Fatalf("seed %d: rule %d (%s) did not notice:\n%s", seed, int(mut.rule), mut.rule, report)
				}
			}
			if applied < seeds/3 {
				t.Errorf("the mutation applied to %d of %d histories only", applied, seeds)
			}
		})
	}
}

func TestMutations_CoverEveryRule(t *testing.T) {
	covered := map[Rule]int{}
	for _, mut := range mutations {
		covered[mut.rule]++
	}
	for _, rule := range []Rule{
		WellFormed, NoLoss, NoGhost, DenseOrder, TotalOrder, NoDuplicate,
		ReadYourWrites, MonotonicReads, RealTimeOrder, AtMostOnce, DeviceOrder,
	} {
		if covered[rule] == 0 {
			t.Errorf("no mutation breaks rule %d (%s)", int(rule), rule)
		}
	}
	if len(mutations) < 20 {
		t.Errorf("only %d mutations", len(mutations))
	}
}
