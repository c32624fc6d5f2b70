// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"slices"
)

// window is a range of seqs a reader may see, both ends included.
type window struct {
	first, last int64
}

// open marks the end of a window that the reader has not left.
const open = never

// reader is one device following the conversation. What it holds is everything from base up to next, and extra.
type reader struct {
	device  string
	joined  bool
	left    bool // It was a member and is none at the end of the history.
	windows []window
	since   int64 // Time of the join, or of the first reception without one.

	started    bool // A join or a reception has set base.
	base, next int64
	extra      map[int64]struct{}
	top        int64 // Highest new seq that came live or by sync, -1 before.

	marks   []int // Quiet marks still to come.
	flagged int64 // The hole already reported, -1 before.
}

// allowed reports whether the reader may see a seq. The windows must be tidy.
func (r *reader) allowed(seq int64) bool {
	i, exact := slices.BinarySearchFunc(r.windows, seq, func(w window, seq int64) int { return cmp.Compare(w.first, seq) })
	return !r.joined || exact || (i > 0 && seq <= r.windows[i-1].last)
}

// tidy brings the windows from the order of time into that of seq and joins those that overlap.
func (r *reader) tidy() {
	n := len(r.windows)
	r.left = r.joined && (n == 0 || r.windows[n-1].last != open)
	r.windows = slices.DeleteFunc(r.windows, func(w window) bool { return w.last < w.first })
	slices.SortFunc(r.windows, func(a, b window) int { return cmp.Compare(a.first, b.first) })
	kept := r.windows[:0]
	for _, w := range r.windows {
		if k := len(kept); k > 0 && w.first <= kept[k-1].last {
			kept[k-1].last = max(kept[k-1].last, w.last)
			continue
		}
		kept = append(kept, w)
	}
	r.windows = kept
}

func (r *reader) holds(seq int64) bool {
	if r.base <= seq && seq < r.next {
		return true
	}
	_, ok := r.extra[seq]
	return ok
}

// take adds a seq and moves next over everything that has become contiguous.
func (r *reader) take(seq int64) {
	if seq != r.next {
		if r.extra == nil {
			r.extra = map[int64]struct{}{}
		}
		r.extra[seq] = struct{}{}
		return
	}
	for held := true; held; _, held = r.extra[r.next] {
		delete(r.extra, r.next)
		r.next++
	}
}

func (r *reader) start(base, at int64) {
	r.started, r.base, r.next, r.since = true, base, base, at
}

func (c *conversation) readerOf(rec *Record) *reader {
	r, ok := c.byName[rec.Device]
	if !ok {
		r = &reader{device: rec.Device, top: -1, flagged: -1, marks: c.quiet.of(rec.Device)}
		c.byName[rec.Device] = r
		c.readers = append(c.readers, r)
	}
	return r
}

// checkReaders checks rules 4 and 5 for everything that was received.
func (c *conversation) checkReaders(records []*Record) {
	for _, rec := range records {
		switch rec.Op {
		case Join:
			c.readerOf(rec).join(rec)
		case Leave:
			c.leave(c.readerOf(rec), rec)
		}
	}
	for _, r := range c.readers {
		r.tidy()
	}
	need := c.demands(records)
	for _, rec := range records {
		if rec.Op == Received {
			c.receive(c.readerOf(rec), rec, need)
		}
	}
	for _, r := range c.readers {
		c.settle(r, never, need)
		c.report.Stats.Readers++
		if !r.joined {
			c.report.Stats.Unjoined++
		}
	}
}

func (r *reader) join(rec *Record) {
	n := len(r.windows)
	if n == 0 || r.windows[n-1].last != open {
		r.windows = append(r.windows, window{first: rec.Seq, last: open})
		n++
	}
	w := &r.windows[n-1]
	w.first = max(0, min(w.first, rec.Seq))
	r.joined = true
	r.start(w.first, rec.At)
}

func (c *conversation) leave(r *reader, rec *Record) {
	n := len(r.windows)
	if n == 0 || r.windows[n-1].last != open {
		c.broken(WellFormed, rec.Seq, "device %s left without having joined", rec.Device)
		return
	}
	r.windows[n-1].last = rec.Seq
}

// demands returns for each quiet mark the highest seq acknowledged up to then, or the head at a last mark.
func (c *conversation) demands(records []*Record) []int64 {
	need := make([]int64, len(c.quiet.marks))
	for i := range need {
		need[i] = -1
	}
	for _, rec := range records {
		if rec.Op != OK {
			continue
		}
		if i := c.quiet.after(rec.At); i < len(need) {
			need[i] = max(need[i], rec.Seq)
		}
	}
	for i := range need {
		if i > 0 {
			need[i] = max(need[i], need[i-1])
		}
		// An acknowledged seq beyond the log is a loss and not the reader's fault.
		need[i] = min(need[i], c.log.head())
		if c.quiet.marks[i].last {
			need[i] = c.log.head()
		}
	}
	return need
}

// receive judges one reception.
func (c *conversation) receive(r *reader, rec *Record, need []int64) {
	c.settle(r, rec.At, need)
	c.report.Stats.Receptions++
	pos := c.log.find(rec.Seq)
	if c.checkContent(r, rec, pos) {
		c.saw(pos, rec.At)
	}
	if pos < 0 {
		return
	}
	if !r.started {
		r.start(rec.Seq, rec.At)
	}
	if r.holds(rec.Seq) {
		c.report.Stats.Duplicates++
		return
	}
	c.checkNew(r, rec)
	r.take(rec.Seq)
}

// checkNew checks the order of a reception that is not a duplicate.
func (c *conversation) checkNew(r *reader, rec *Record) {
	if !r.allowed(rec.Seq) {
		c.broken(TotalOrder, rec.Seq, "device %s received this seq, which lies outside its membership", r.device)
	}
	if rec.Source == Page || rec.Source == Ack {
		return
	}
	if rec.Seq < r.top {
		c.broken(TotalOrder, rec.Seq, "device %s received this seq by %s only after seq %d", r.device, rec.Source, r.top)
	}
	r.top = max(r.top, rec.Seq)
	before := rec.Seq - 1
	if rec.Source == Live && before >= r.base && r.allowed(before) && !r.holds(before) {
		c.report.Stats.Gaps++
	}
}

// checkContent compares a reception with the entry the log holds at its seq.
func (c *conversation) checkContent(r *reader, rec *Record, pos int) bool {
	if pos >= 0 && c.log.entries[pos].MessageID == rec.MessageID {
		return c.checkAuthor(r, rec, pos)
	}
	if other := c.log.findMessage(rec.MessageID); other >= 0 && r.started && r.holds(c.log.entries[other].Seq) {
		c.broken(NoDuplicate, rec.Seq, "device %s received message %s as this seq and also as seq %d",
			r.device, rec.MessageID, c.log.entries[other].Seq)
		return false
	}
	if pos < 0 {
		c.broken(TotalOrder, rec.Seq, "device %s received message %s by %s at a seq that the log does not hold",
			r.device, rec.MessageID, rec.Source)
		return false
	}
	c.broken(TotalOrder, rec.Seq, "device %s received message %s by %s where the log holds %s",
		r.device, rec.MessageID, rec.Source, c.log.entries[pos].MessageID)
	return false
}

func (c *conversation) checkAuthor(r *reader, rec *Record, pos int) bool {
	e, s := &c.log.entries[pos], c.sendAt[pos]
	if rec.TempID != "" && rec.TempID != e.TempID {
		c.broken(TotalOrder, rec.Seq, "device %s received message %s with tempId %s where the log says %q",
			r.device, rec.MessageID, rec.TempID, e.TempID)
		return false
	}
	if rec.Sender != "" && s != nil && rec.Sender != s.user {
		c.broken(TotalOrder, rec.Seq, "device %s received message %s as sent by %s, but it was sent by %s",
			r.device, rec.MessageID, rec.Sender, s.user)
		return false
	}
	return true
}

// settle judges the quiet marks that ended before a time.
func (c *conversation) settle(r *reader, before int64, need []int64) {
	for len(r.marks) > 0 && c.quiet.marks[r.marks[0]].at < before {
		i := r.marks[0]
		r.marks = r.marks[1:]
		c.checkHole(r, c.quiet.marks[i], need[i])
	}
}

func (c *conversation) checkHole(r *reader, m mark, need int64) {
	if !r.started || r.left || m.at < r.since || r.next > need || r.flagged == r.next {
		return
	}
	r.flagged = r.next
	c.broken(TotalOrder, r.next, "device %s has not received this seq by the end of a quiet period, "+
		"though it must hold everything from seq %d to seq %d", r.device, r.base, need)
}
