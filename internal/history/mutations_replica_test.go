// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
)

// accept makes of a send that was acknowledged one that was accepted only, which is as good: its server told the place to nobody.
func (m *mutant) accept(ok func(r *Record) bool) *Record {
	r := m.record(func(r *Record) bool {
		return r.Op == OK && ok(r) && !m.has(func(o *Record) bool {
			return o != r && o.Op != Invoke && o.Op != Received && o.TempID != "" && sameSend(o, r) && *o != *r
		}) &&
			m.attempts(r) == 1
	})
	seq := r.Seq
	r.Op, r.Seq, r.MessageID = Accepted, 0, ""
	c := *r
	c.Seq = seq
	return &c
}

func (m *mutant) attempts(r *Record) (n int) {
	for i := range m.h {
		if m.h[i].Op == Invoke && sameSend(&m.h[i], r) {
			n++
		}
	}
	return n
}

func anySend(*Record) bool { return true }

// acceptedMutations spoil what became of sends that were accepted before they had a place.
var acceptedMutations = []mutation{
	{"the log loses what was accepted only", NoLoss, func(m *mutant) {
		r := m.accept(anySend)
		log := slices.Delete(m.final[r.Conversation], int(r.Seq), int(r.Seq)+1)
		for i := int(r.Seq); i < len(log); i++ {
			log[i].Seq--
		}
		m.final[r.Conversation] = log
	}},
	{"the log holds twice what was accepted only", AtMostOnce, func(m *mutant) {
		r := m.accept(anySend)
		e := m.final[r.Conversation][r.Seq]
		e.MessageID = "again"
		m.append(r.Conversation, e)
	}},
	{"what was accepted is told to have failed, and is in the log", NoGhost, func(m *mutant) {
		r := *m.accept(anySend)
		r.Op, r.Seq = Fail, 0
		m.h = append(m.h, r)
	}},
	{"what was accepted is told to have failed, and then acknowledged", AtMostOnce, func(m *mutant) {
		ok := *m.op(OK)
		i := slices.IndexFunc(m.h, func(r Record) bool { return r.Op == OK && sameSend(&r, &ok) })
		accepted, failed := m.h[i], m.h[i]
		accepted.Op, failed.Op = Accepted, Fail
		m.h = slices.Insert(m.h, i, accepted, failed)
	}},
	{"what was accepted was not invoked", WellFormed, func(m *mutant) {
		r := m.accept(anySend)
		m.remove(func(o *Record) bool { return o.Op == Invoke && sameSend(o, r) })
	}},
	{"a device's later message lies below one that was accepted before", DeviceOrder, func(m *mutant) {
		var later *Record
		r := m.accept(func(r *Record) bool {
			later = nil
			for i := range m.h {
				o := &m.h[i]
				if o.Op == Invoke && o.At > r.At && sameReader(o, r) && m.attempts(o) == 1 && m.inLog(o) && m.joinedFromStart(r) {
					later = o
				}
			}
			return later != nil
		})
		log := m.final[r.Conversation]
		i := slices.IndexFunc(log, func(e Entry) bool { return e.Device == r.Device && e.TempID == r.TempID })
		k := slices.IndexFunc(log, func(e Entry) bool { return e.Device == later.Device && e.TempID == later.TempID })
		log[i], log[k] = log[k], log[i]
		log[i].Seq, log[k].Seq = log[k].Seq, log[i].Seq
	}},
}

func TestCheck_WhatWasAcceptedOnlyIsAsGoodAsAcknowledged(t *testing.T) {
	accepted := 0
	for seed := range uint64(10) {
		m := newMutant(seeded(seed, 900), seed)
		for m.apply(func(m *mutant) { m.accept(anySend) }) {
		}
		accepted += requireOK(t, m.h, m.final).Stats.Accepted
	}
	if accepted < 100 {
		t.Errorf("only %d sends were accepted", accepted)
	}
}

func TestCheck_WhatWasAcceptedAndFailedNeedNotBeInTheLog(t *testing.T) {
	s := Send{Device: "d", User: "u", Conversation: "c", TempID: "t"}
	clock := int64(0)
	r := NewRecorder(func() int64 { clock++; return clock })
	r.Invoke(s)
	r.Accepted(s)
	r.Fail(s)
	report := requireOK(t, r.History(), nil)
	if report.Stats.Failed != 1 || report.Stats.Accepted != 1 {
		t.Errorf("counted %+v", report.Stats)
	}
}

// replicasOf gives every log of a world to another server, each with hashes and contents.
func replicasOf(w *world) map[string]Replica {
	out := map[string]Replica{}
	for name, log := range w.final() {
		for i := range log {
			log[i].Hash, log[i].Content = "hash of "+log[i].MessageID, "content of "+log[i].MessageID
		}
		out[name] = Replica{Hub: log, Other: slices.Clone(log)}
	}
	return out
}

func TestSame_OneLogIsTheSame(t *testing.T) {
	for seed := range uint64(5) {
		list := replicasOf(seeded(seed, 400))
		if report := Same(list); !report.OK() || report.Stats.Entries == 0 || report.Stats.Conversations != len(list) {
			t.Errorf("seed %d:\n%s", seed, report)
		}
		for name, r := range list { // One that began later.
			from := len(r.Hub) / 2
			list[name] = Replica{Hub: r.Hub, Other: r.Other[from:], From: int64(from)}
		}
		if report := Same(list); !report.OK() {
			t.Errorf("seed %d, begun later:\n%s", seed, report)
		}
	}
}

func TestSame_EveryDifferenceIsNoticed(t *testing.T) {
	for name, spoil := range map[string]func(log []Entry, i int) []Entry{
		"an entry is missing":        func(log []Entry, i int) []Entry { return slices.Delete(log, i, i+1) },
		"the end is missing":         func(log []Entry, i int) []Entry { return log[:i] },
		"the beginning is missing":   func(log []Entry, i int) []Entry { return log[i+1:] },
		"two entries change places":  func(log []Entry, i int) []Entry { log[i].Seq, log[i-1].Seq = log[i-1].Seq, log[i].Seq; return log },
		"an entry is there twice":    func(log []Entry, i int) []Entry { return append(log, log[i]) },
		"a message has two places":   func(log []Entry, i int) []Entry { e := log[i]; e.Seq = log[len(log)-1].Seq + 1; return append(log, e) },
		"an entry too much":          func(log []Entry, _ int) []Entry { return append(log, Entry{Seq: int64(len(log)), MessageID: "more"}) },
		"another message":            func(log []Entry, i int) []Entry { log[i].MessageID = "other"; return log },
		"another hash":               func(log []Entry, i int) []Entry { log[i].Hash = "other"; return log },
		"another content":            func(log []Entry, i int) []Entry { log[i].Content = "other"; return log },
		"content that was erased":    func(log []Entry, i int) []Entry { log[i].Content = ""; return log },
		"another device of a sender": func(log []Entry, i int) []Entry { log[i].Device = "other"; return log },
	} {
		for _, side := range []string{"hub", "other"} {
			for seed := range uint64(5) {
				list := replicasOf(seeded(seed, 400))
				for conv, r := range list {
					i := len(r.Hub) / 2
					if side == "hub" {
						r.Hub = spoil(r.Hub, i)
					} else {
						r.Other = spoil(r.Other, i)
					}
					list[conv] = r
					break
				}
				if Same(list).Count(SameLog) == 0 {
					t.Errorf("%s, %s, seed %d: not noticed", side, name, seed)
				}
			}
		}
	}
}
