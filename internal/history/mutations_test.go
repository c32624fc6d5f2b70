// SPDX-License-Identifier: Apache-2.0

package history

import "slices"

type mutation struct {
	name   string
	rule   Rule
	mutate func(m *mutant)
}

var mutations = slices.Concat(logMutations, sendMutations, readerMutations, readMutations, timeMutations, acceptedMutations)

// logMutations spoil the final log.
var logMutations = []mutation{
	{"the log drops an acknowledged entry and closes up", NoLoss, func(m *mutant) {
		ok := m.op(OK)
		log := slices.Delete(m.final[ok.Conversation], int(ok.Seq), int(ok.Seq)+1)
		for i := int(ok.Seq); i < len(log); i++ {
			log[i].Seq--
		}
		m.final[ok.Conversation] = log
	}},
	{"the log loses its end with acknowledged entries", NoLoss, func(m *mutant) {
		ok := m.op(OK)
		m.final[ok.Conversation] = m.final[ok.Conversation][:ok.Seq]
	}},
	{"a whole log is lost", NoLoss, func(m *mutant) {
		delete(m.final, m.op(OK).Conversation)
	}},
	{"the log gains an entry nobody sent", NoGhost, func(m *mutant) {
		name, log := m.log()
		e := log[0]
		e.MessageID, e.TempID, e.Device, e.Countable = "ghost", "ghost", "d0", true
		m.append(name, e)
	}},
	{"the log gains a message without a sender", NoGhost, func(m *mutant) {
		name, _ := m.log()
		m.append(name, Entry{MessageID: "ghost", Kind: "message", Countable: true})
	}},
	{"the log holds a send that was refused", NoGhost, func(m *mutant) {
		r := m.record(func(r *Record) bool {
			return r.Op == Fail && !m.inLog(r) && !m.acked(r) &&
				!m.has(func(o *Record) bool { return o.Op == Unknown && sameSend(o, r) })
		})
		attempts := 0
		for i := range m.h {
			if m.h[i].Op == Invoke && sameSend(&m.h[i], r) {
				attempts++
			}
		}
		m.need(attempts == 1)
		m.append(r.Conversation, Entry{MessageID: "refused", TempID: r.TempID, Device: r.Device, Kind: "message"})
	}},
	{"two entries of the log change places", TotalOrder, func(m *mutant) {
		ok := m.op(OK)
		log := m.final[ok.Conversation]
		i, k := int(ok.Seq), m.rng.IntN(len(log))
		m.need(i != k)
		log[i], log[k] = log[k], log[i]
		log[i].Seq, log[k].Seq = int64(i), int64(k)
	}},
	{"the log is read back in the wrong order", DenseOrder, func(m *mutant) {
		_, log := m.log()
		i := m.rng.IntN(len(log) - 1)
		log[i], log[i+1] = log[i+1], log[i]
	}},
	{"two entries of the log share a seq", DenseOrder, func(m *mutant) {
		_, log := m.log()
		i := 1 + m.rng.IntN(len(log)-1)
		log[i].Seq = log[i-1].Seq
	}},
	{"the log has a hole", DenseOrder, func(m *mutant) {
		_, log := m.log()
		for i := m.rng.IntN(len(log)); i < len(log); i++ {
			log[i].Seq++
		}
	}},
	{"an entry is missing from the middle of the log", DenseOrder, func(m *mutant) {
		name, log := m.log()
		i := m.rng.IntN(len(log) - 1)
		m.final[name] = slices.Delete(log, i, i+1)
	}},
	{"an acknowledged tempId is in the log twice", NoDuplicate, func(m *mutant) {
		ok := m.op(OK)
		e := m.final[ok.Conversation][ok.Seq]
		e.MessageID = "again"
		m.append(ok.Conversation, e)
	}},
	{"a message id is in the log twice", NoDuplicate, func(m *mutant) {
		_, log := m.log()
		i := 1 + m.rng.IntN(len(log)-1)
		log[i].MessageID = log[m.rng.IntN(i)].MessageID
	}},
	{"an unknown send was done twice", AtMostOnce, func(m *mutant) {
		r := m.onlyUnknown(true)
		m.append(r.Conversation, Entry{MessageID: "again", TempID: r.TempID, Device: r.Device, Kind: "message"})
	}},
}

// sendMutations spoil what senders were told.
var sendMutations = []mutation{
	{"a send is acknowledged twice with different seqs", AtMostOnce, func(m *mutant) {
		again := *m.op(OK)
		again.Seq++
		m.h = append(m.h, again)
	}},
	{"a send is acknowledged twice with different message ids", AtMostOnce, func(m *mutant) {
		again := *m.op(OK)
		again.MessageID = "other"
		m.h = append(m.h, again)
	}},
	{"a send of which the log knows nothing is acknowledged", NoLoss, func(m *mutant) {
		ack := *m.onlyUnknown(false)
		ack.Op, ack.Seq, ack.MessageID = OK, int64(len(m.final[ack.Conversation])), "promised"
		m.h = append(m.h, ack)
	}},
	{"a send is acknowledged with a wrong message id", NoLoss, func(m *mutant) {
		ok := m.op(OK)
		for i := range m.h {
			if m.h[i].Op == OK && sameSend(&m.h[i], ok) {
				m.h[i].MessageID = "other"
			}
		}
	}},
	{"a send is acknowledged with a wrong seq", TotalOrder, func(m *mutant) {
		ok := m.op(OK)
		for i := range m.h {
			if m.h[i].Op == OK && sameSend(&m.h[i], ok) {
				m.h[i].Seq += 3
			}
		}
	}},
	{"a send is acknowledged that was not invoked", WellFormed, func(m *mutant) {
		r := *m.op(OK)
		m.remove(func(o *Record) bool { return o.Op == Invoke && sameSend(o, &r) })
	}},
	{"an acknowledgement is older than the invocation", WellFormed, func(m *mutant) {
		m.op(OK).At = 1
	}},
}

// readerMutations spoil what readers received.
var readerMutations = []mutation{
	{"a reader receives a wrong message id", TotalOrder, func(m *mutant) {
		m.op(Received).MessageID = "other"
	}},
	{"a reader receives a wrong tempId", TotalOrder, func(m *mutant) {
		m.record(func(r *Record) bool { return r.Op == Received && r.TempID != "" }).TempID = "other"
	}},
	{"a reader receives a message under a wrong name", TotalOrder, func(m *mutant) {
		m.record(func(r *Record) bool { return r.Op == Received && r.Sender != "" }).Sender = "mallory"
	}},
	{"a reader receives an entry beyond the log", TotalOrder, func(m *mutant) {
		r := *m.op(Received)
		r.Seq, r.MessageID = int64(len(m.final[r.Conversation])), "beyond"
		m.h = append(m.h, r)
	}},
	{"two live entries change places on the way", TotalOrder, func(m *mutant) {
		i, k := m.neighbours()
		a, b := m.h[i], m.h[k]
		m.h[i], m.h[k] = b, a
		m.h[i].At, m.h[k].At = a.At, b.At
	}},
	{"a reader never receives an entry", TotalOrder, func(m *mutant) {
		lost := *m.record(func(r *Record) bool { return r.Op == Received && m.joinedFromStart(r) })
		m.remove(func(r *Record) bool { return r.Op == Received && sameReader(r, &lost) && r.Seq == lost.Seq })
	}},
	{"a reader misses the end of the log", TotalOrder, func(m *mutant) {
		lost := *m.record(func(r *Record) bool {
			return r.Op == Received && m.joinedFromStart(r) && int(r.Seq) == len(m.final[r.Conversation])-1
		})
		m.remove(func(r *Record) bool { return r.Op == Received && sameReader(r, &lost) && r.Seq == lost.Seq })
	}},
	{"a reader receives nothing at all", TotalOrder, func(m *mutant) {
		lost := *m.record(func(r *Record) bool { return r.Op == Received && m.joinedFromStart(r) })
		m.remove(func(r *Record) bool { return r.Op == Received && sameReader(r, &lost) })
	}},
	{"an entry comes only after the quiet period that follows its acknowledgement", TotalOrder, func(m *mutant) {
		mark := m.find(func(r *Record) bool { return r.Op == Quiet && r.Device == "" })
		late := m.record(func(r *Record) bool {
			return r.Op == Received && r.At < m.h[mark].At && m.joinedFromStart(r) &&
				m.has(func(o *Record) bool {
					return o.Op == OK && o.Seq >= r.Seq && o.At < m.h[mark].At && o.Conversation == r.Conversation
				})
		})
		moved := *late
		moved.At, moved.Source = m.h[mark].At+1, Page
		m.remove(func(r *Record) bool { return r.Op == Received && sameReader(r, &moved) && r.Seq == moved.Seq })
		after := slices.IndexFunc(m.h, func(r Record) bool { return r.At > moved.At })
		if after < 0 {
			after = len(m.h)
		}
		m.h = slices.Insert(m.h, after, moved)
	}},
	{"a reader receives one message as two seqs", NoDuplicate, func(m *mutant) {
		i, k := m.neighbours()
		m.h[k].MessageID = m.h[i].MessageID
	}},
	{"a reader receives what was before its join point", TotalOrder, func(m *mutant) {
		r := *m.record(func(r *Record) bool {
			return r.Op == Received && m.joinedFromStart(r)
		})
		for i := range m.h {
			if m.h[i].Op == Join && sameReader(&m.h[i], &r) {
				m.h[i].Seq = r.Seq + 1
			}
		}
	}},
}

// neighbours returns two new live receptions of one reader, one after the other.
func (m *mutant) neighbours() (first, second int) {
	first = m.find(func(r *Record) bool {
		if r.Op != Received || r.Source != Live || !m.unique(r) {
			return false
		}
		second = slices.IndexFunc(m.h, func(o Record) bool {
			return o.Op == Received && o.Source == Live && sameReader(&o, r) && o.Seq == r.Seq+1 && m.unique(&o)
		})
		return second >= 0
	})
	return first, second
}

// unique reports whether a reader received an entry once.
func (m *mutant) unique(r *Record) bool {
	n := 0
	for i := range m.h {
		if o := &m.h[i]; o.Op == Received && o.Seq == r.Seq && sameReader(o, r) {
			n++
		}
	}
	return n == 1
}
