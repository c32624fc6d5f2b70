// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"slices"
)

// finalLog is the final log of one conversation, by ascending seq whatever order it was given in.
type finalLog struct {
	entries   []Entry
	bySeq     map[int64]int // Only if seq and position differ anywhere.
	byMessage map[string]int
}

// head returns the highest seq, or -1.
func (l *finalLog) head() int64 {
	if len(l.entries) == 0 {
		return -1
	}
	return l.entries[len(l.entries)-1].Seq
}

// find returns the position of a seq, or -1.
func (l *finalLog) find(seq int64) int {
	if l.bySeq != nil {
		if pos, ok := l.bySeq[seq]; ok {
			return pos
		}
		return -1
	}
	if seq < 0 || seq >= int64(len(l.entries)) {
		return -1
	}
	return int(seq)
}

// findMessage returns the position of a message id, or -1.
func (l *finalLog) findMessage(id string) int {
	if pos, ok := l.byMessage[id]; ok && id != "" {
		return pos
	}
	return -1
}

// checkLog takes the log over and checks rule 3, and rule 5 for message ids.
func (c *conversation) checkLog(entries []Entry) {
	c.report.Stats.Entries += len(entries)
	sorted, dense := c.checkDense(entries)
	if !sorted {
		entries = slices.Clone(entries)
		slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	c.log = finalLog{entries: entries, byMessage: make(map[string]int, len(entries))}
	if !dense {
		c.log.bySeq = make(map[int64]int, len(entries))
	}
	c.sendAt = make([]*send, len(entries))
	c.seenAt = make([]int64, len(entries))
	for pos := range entries {
		c.seenAt[pos] = never
		c.indexEntry(pos)
	}
}

func (c *conversation) indexEntry(pos int) {
	e := &c.log.entries[pos]
	if c.log.bySeq != nil {
		if _, twice := c.log.bySeq[e.Seq]; !twice {
			c.log.bySeq[e.Seq] = pos
		}
	}
	if e.MessageID == "" {
		return
	}
	if first, twice := c.log.byMessage[e.MessageID]; twice {
		c.broken(NoDuplicate, e.Seq, "the log holds message %s twice, first at seq %d",
			e.MessageID, c.log.entries[first].Seq)
		return
	}
	c.log.byMessage[e.MessageID] = pos
}

// checkDense checks rule 3 as the log was given, and reports whether it is sorted and whether seq equals position.
func (c *conversation) checkDense(entries []Entry) (sorted, dense bool) {
	sorted, dense = true, true
	want := int64(0)
	for i := range entries {
		got := entries[i].Seq
		switch {
		case got == want:
		case got == want-1 && i > 0:
			c.broken(DenseOrder, got, "the log holds this seq twice")
		case want == 0 && got > 0 && i == 0:
			c.broken(DenseOrder, 0, "the log has a hole: it starts at seq %d", got)
		case got > want:
			c.broken(DenseOrder, want, "the log has a hole: seq %d is followed by seq %d", want-1, got)
		default:
			c.broken(DenseOrder, got, "the log is not ascending: seq %d comes after seq %d", got, want-1)
			sorted = false
		}
		dense = dense && got == int64(i)
		want = got + 1
	}
	return sorted, dense
}
