// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// point is a moment at which a seq was known, or, as a query, at which a read began that then showed a seq.
type point struct {
	at, seq int64
	query   *Record
}

// timelines collects points by user or by device, for those that read at all.
type timelines map[string][]point

func (t timelines) add(name string, p point) {
	if list, reads := t[name]; reads {
		t[name] = append(list, p)
	}
}

// checkReads checks each page on its own, then rule 6 by user and rule 7 by device.
func (c *conversation) checkReads(records []*Record) {
	users, devices := timelines{}, timelines{}
	for _, rec := range records {
		if rec.Op == Read {
			c.report.Stats.Reads++
			c.checkPage(rec)
			query := point{at: rec.InvokedAt, seq: rec.Head, query: rec}
			users[owner(rec)] = append(users[owner(rec)], query)
			devices[rec.Device] = append(devices[rec.Device], query)
		}
	}
	for _, rec := range records {
		known := point{at: rec.At, seq: rec.Seq}
		switch rec.Op {
		case OK:
			users.add(owner(rec), known)
		case Received:
			if c.log.find(rec.Seq) >= 0 {
				devices.add(rec.Device, known)
			}
		case Read:
			known.seq = rec.Head
			devices.add(rec.Device, known)
		}
	}
	users.sweep(func(read, known point) {
		c.broken(ReadYourWrites, known.seq, "a read by device %s showed head %d, but %s had seq %d acknowledged %s before",
			read.query.Device, read.seq, owner(read.query), known.seq, time.Duration(read.at-known.at))
	})
	devices.sweep(func(read, known point) {
		c.broken(MonotonicReads, known.seq, "a read by device %s showed head %d, but it had seen seq %d %s before",
			read.query.Device, read.seq, known.seq, time.Duration(read.at-known.at))
	})
}

// checkPage checks that a page shows a part of the log that the reader may see.
func (c *conversation) checkPage(rec *Record) {
	if rec.At < rec.InvokedAt {
		c.broken(WellFormed, rec.Head, "a read by device %s returned before it was invoked", rec.Device)
	}
	if rec.Head > c.log.head() {
		c.broken(TotalOrder, rec.Head, "a read by device %s showed this head, but the log ends at seq %d",
			rec.Device, c.log.head())
	} else {
		c.saw(c.log.find(rec.Head), rec.At)
	}
	if rec.From > rec.To {
		return
	}
	if rec.To > rec.Head {
		c.broken(TotalOrder, rec.To, "a read by device %s showed this seq above the head %d", rec.Device, rec.Head)
	}
	if r := c.byName[rec.Device]; r != nil && !(r.allowed(rec.From) && r.allowed(rec.To)) {
		c.broken(TotalOrder, rec.From, "a read by device %s showed seq %d to %d, which is not all within its membership",
			rec.Device, rec.From, rec.To)
	}
}

// sweep calls bad for each read that showed less than what was known strictly before it began, once a read.
func (t timelines) sweep(bad func(read, known point)) {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		points := t[name]
		slices.SortFunc(points, inTime)
		known := point{seq: -1}
		for _, p := range points {
			switch {
			case p.query == nil && p.seq > known.seq:
				known = p
			case p.query != nil && p.seq < known.seq:
				bad(p, known)
			}
		}
	}
}

// inTime puts reads before what became known in the same nanosecond, because the two are concurrent.
func inTime(a, b point) int {
	if a.at != b.at {
		return cmp.Compare(a.at, b.at)
	}
	switch {
	case (a.query == nil) == (b.query == nil):
		return cmp.Compare(a.seq, b.seq)
	case a.query != nil:
		return -1
	default:
		return 1
	}
}
