// SPDX-License-Identifier: Apache-2.0

package history

// readMutations spoil pages.
var readMutations = []mutation{
	{"a read misses an own acknowledged message", ReadYourWrites, func(m *mutant) {
		var ack *Record
		read := m.record(func(r *Record) bool {
			ack = m.before(r, func(o *Record) bool { return o.Op == OK && o.User == r.User })
			return ack != nil
		})
		read.Head = ack.Seq - 1
	}},
	{"a read shows less than an earlier read", MonotonicReads, func(m *mutant) {
		var earlier *Record
		read := m.record(func(r *Record) bool {
			earlier = m.before(r, func(o *Record) bool { return o.Op == Read && o.Device == r.Device && o.Head > 0 })
			return earlier != nil
		})
		read.Head = earlier.Head - 1
	}},
	{"a read shows less than the device has received", MonotonicReads, func(m *mutant) {
		var earlier *Record
		read := m.record(func(r *Record) bool {
			earlier = m.before(r, func(o *Record) bool { return o.Op == Received && o.Device == r.Device })
			return earlier != nil
		})
		read.Head = earlier.Seq - 1
	}},
	{"a read shows a head that the log does not reach", TotalOrder, func(m *mutant) {
		r := m.op(Read)
		r.Head = int64(len(m.final[r.Conversation]))
	}},
	{"a page goes beyond its head", TotalOrder, func(m *mutant) {
		r := m.op(Read)
		r.To = r.Head + 1
	}},
	{"a page shows what was before the join point", TotalOrder, func(m *mutant) {
		r := m.record(func(r *Record) bool { return r.Op == Read && r.From <= r.To && m.joinedFromStart(r) })
		for i := range m.h {
			if m.h[i].Op == Join && sameReader(&m.h[i], r) {
				m.h[i].Seq = r.From + 1
			}
		}
	}},
	{"a read returns before it was invoked", WellFormed, func(m *mutant) {
		r := m.op(Read)
		r.InvokedAt = r.At + 1
	}},
}

// before returns a record that was known before a read of the same conversation began.
func (m *mutant) before(read *Record, ok func(o *Record) bool) *Record {
	if read.Op != Read {
		return nil
	}
	for i := range m.h {
		if o := &m.h[i]; o.Conversation == read.Conversation && o.At < read.InvokedAt && ok(o) {
			return o
		}
	}
	return nil
}

// timeMutations spoil the agreement of the log with real time.
var timeMutations = []mutation{
	{"two messages change places everywhere although one was acknowledged before the other began", RealTimeOrder, func(m *mutant) {
		var first *Record
		second := m.record(func(r *Record) bool {
			if r.Op != OK {
				return false
			}
			first = m.ackedBeforeInvoked(r)
			return first != nil
		})
		m.exchange(*first, *second)
		m.remove(func(r *Record) bool { return r.Op == Received || r.Op == Read })
	}},
	{"a message is received before it was invoked", RealTimeOrder, func(m *mutant) {
		r := m.record(func(r *Record) bool { return r.Op == Received && r.TempID != "" })
		r.At = 1
	}},
	{"an unknown send lies below what was acknowledged before it began", RealTimeOrder, func(m *mutant) {
		late := m.onlyUnknown(true)
		log := m.final[late.Conversation]
		seq := -1
		for i, e := range log {
			if e.Device == late.Device && e.TempID == late.TempID {
				seq = i
			}
		}
		m.need(seq < len(log)-1)
		above := m.record(func(r *Record) bool {
			return r.Op == OK && r.Conversation == late.Conversation && int(r.Seq) > seq
		})
		at := above.At + 1
		for i := range m.h {
			if o := &m.h[i]; (o.Op == Invoke || o.Op == Unknown) && sameSend(o, late) {
				o.At = at
			}
		}
	}},
	{"a message lies below a head that was shown before it began", RealTimeOrder, func(m *mutant) {
		ok := m.op(OK)
		invoked := m.record(func(r *Record) bool { return r.Op == Invoke && sameSend(r, ok) })
		m.need(int(ok.Seq) < len(m.final[ok.Conversation])-1)
		m.h = append(m.h, Record{
			Op: Read, Device: "observer", Conversation: ok.Conversation,
			From: 0, To: -1, Head: ok.Seq + 1, InvokedAt: 1, At: min(invoked.At, m.firstInvoke(ok)) - 1,
		})
	}},
}

func (m *mutant) firstInvoke(send *Record) int64 {
	first := never
	for i := range m.h {
		if o := &m.h[i]; o.Op == Invoke && sameSend(o, send) {
			first = min(first, o.At)
		}
	}
	return first
}

// ackedBeforeInvoked returns an acknowledgement in the same conversation that came before a send was first invoked.
func (m *mutant) ackedBeforeInvoked(ok *Record) *Record {
	start := m.firstInvoke(ok)
	for i := range m.h {
		if o := &m.h[i]; o.Op == OK && o.Conversation == ok.Conversation && o.At < start {
			return o
		}
	}
	return nil
}

// exchange makes two acknowledged messages change places in the log and in all acknowledgements.
func (m *mutant) exchange(a, b Record) {
	log := m.final[a.Conversation]
	log[a.Seq], log[b.Seq] = log[b.Seq], log[a.Seq]
	log[a.Seq].Seq, log[b.Seq].Seq = a.Seq, b.Seq
	for i := range m.h {
		switch o := &m.h[i]; {
		case o.Op == OK && sameSend(o, &a):
			o.Seq = b.Seq
		case o.Op == OK && sameSend(o, &b):
			o.Seq = a.Seq
		}
	}
}
