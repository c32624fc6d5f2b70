// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"maps"
	"slices"
)

// Check compares the history h of a run with the final log of each conversation, read back from the database after the
// run in ascending order of seq, and reports every broken rule. A conversation that is absent from final has an empty
// log. It changes neither argument.
func Check(h History, final map[string][]Entry) Report {
	report := Report{Stats: Stats{Records: len(h)}}
	quiet := quietMarks(h)
	report.Stats.QuietMarks = len(quiet.marks)
	parts := split(h, final)
	report.Stats.Conversations = len(parts)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		c := newConversation(name, &report, quiet)
		c.checkLog(final[name])
		c.collectSends(parts[name])
		c.checkEntries()
		c.checkSends()
		c.checkReaders(parts[name])
		c.checkReads(parts[name])
		c.checkRealTime()
		c.checkDeviceOrder()
	}
	return report
}

// conversation is the check of one conversation. Slices by position run parallel to the sorted log.
type conversation struct {
	name   string
	report *Report
	quiet  *quiet
	log    finalLog

	sends []*send           // In the order of their first record.
	byKey map[sendKey]*send // The same, by client id.

	sendAt []*send // By position: the send that made the entry, or nil.
	seenAt []int64 // By position: when anybody first knew the entry to be committed, or never.

	readers []*reader
	byName  map[string]*reader // Readers by device.
}

// never is later than every time.
const never = int64(1<<63 - 1)

func newConversation(name string, report *Report, q *quiet) *conversation {
	return &conversation{
		name: name, report: report, quiet: q,
		byKey: map[sendKey]*send{}, byName: map[string]*reader{},
	}
}

func (c *conversation) broken(rule Rule, seq int64, format string, args ...any) {
	c.report.add(Violation{Rule: rule, Conversation: c.name, Seq: seq}, format, args...)
}

// saw notes that the entry at a position was known to be committed at a time.
func (c *conversation) saw(pos int, at int64) {
	if pos >= 0 && at < c.seenAt[pos] {
		c.seenAt[pos] = at
	}
}

// split groups the records by conversation. Conversations of the log without a record get an empty group.
func split(h History, final map[string][]Entry) map[string][]*Record {
	sizes := map[string]int{}
	for i := range h {
		if h[i].Op != Quiet {
			sizes[h[i].Conversation]++
		}
	}
	parts := make(map[string][]*Record, len(sizes))
	for name, n := range sizes {
		parts[name] = make([]*Record, 0, n)
	}
	for name := range final {
		if _, known := parts[name]; !known {
			parts[name] = nil
		}
	}
	for i := range h {
		if h[i].Op != Quiet {
			parts[h[i].Conversation] = append(parts[h[i].Conversation], &h[i])
		}
	}
	return parts
}

// mark is the end of one quiet period. A last mark is followed by no send and no change of
// members anywhere, so the log did not grow after it.
type mark struct {
	at     int64
	device string
	last   bool
}

// quiet holds all marks in the order of time. The index of a mark names it.
type quiet struct {
	marks    []mark
	everyone []int            // Marks for all devices.
	device   map[string][]int // Marks for one device merged with those for all.
}

func quietMarks(h History) *quiet {
	q := &quiet{device: map[string][]int{}}
	lastChange := int64(-1 << 63)
	for i := range h {
		switch h[i].Op {
		case Quiet:
			q.marks = append(q.marks, mark{at: h[i].At, device: h[i].Device})
		case Invoke, Join, Leave:
			lastChange = max(lastChange, h[i].At)
		}
	}
	slices.SortStableFunc(q.marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	own := map[string][]int{}
	for i := range q.marks {
		q.marks[i].last = q.marks[i].at > lastChange
		if d := q.marks[i].device; d != "" {
			own[d] = append(own[d], i)
		} else {
			q.everyone = append(q.everyone, i)
		}
	}
	for device, list := range own {
		both := slices.Concat(list, q.everyone)
		slices.Sort(both)
		q.device[device] = both
	}
	return q
}

// of returns the marks that name a device.
func (q *quiet) of(device string) []int {
	if own, ok := q.device[device]; ok {
		return own
	}
	return q.everyone
}

// after returns the index of the first mark at or after a time, or the number of marks.
func (q *quiet) after(at int64) int {
	i, _ := slices.BinarySearchFunc(q.marks, at, func(m mark, at int64) int { return cmp.Compare(m.at, at) })
	return i
}
