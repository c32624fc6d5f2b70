// SPDX-License-Identifier: Apache-2.0

package history

import (
	"maps"
	"slices"
)

// Replica is the log of one conversation as its hub and as another server hold it. From is the first seq that the other server must
// hold; what it holds below is compared as well.
type Replica struct {
	Hub, Other []Entry
	From       int64
}

// Same checks rule 9 for conversations by name: both logs hold the same entries in the same places, each once.
func Same(replicas map[string]Replica) Report {
	report := Report{}
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		r := replicas[name]
		report.Stats.Conversations++
		report.Stats.Entries += len(r.Other)
		hub, other := report.bySeq(name, "the hub", r.Hub), report.bySeq(name, "the other server", r.Other)
		for seq, entry := range other {
			have, ok := hub[seq]
			if !ok {
				report.differs(name, seq, "only the other server holds message %s", entry.MessageID)
				continue
			}
			report.compare(name, have, entry)
		}
		for seq, entry := range hub {
			if _, ok := other[seq]; !ok && seq >= r.From {
				report.differs(name, seq, "only the hub holds message %s", entry.MessageID)
			}
		}
	}
	return report
}

// bySeq indexes a log, and finds what it holds twice.
func (r *Report) bySeq(name, server string, log []Entry) map[int64]Entry {
	out, messages := make(map[int64]Entry, len(log)), make(map[string]int64, len(log))
	for _, e := range log {
		if _, twice := out[e.Seq]; twice {
			r.differs(name, e.Seq, "%s holds this seq twice", server)
		}
		if first, twice := messages[e.MessageID]; twice {
			r.differs(name, e.Seq, "%s holds message %s at seq %d too", server, e.MessageID, first)
		}
		out[e.Seq], messages[e.MessageID] = e, e.Seq
	}
	return out
}

func (r *Report) compare(name string, hub, other Entry) {
	switch {
	case hub.MessageID != other.MessageID:
		r.differs(name, hub.Seq, "the hub holds message %s here, the other server %s", hub.MessageID, other.MessageID)
	case hub.Hash != other.Hash:
		r.differs(name, hub.Seq, "message %s has two hashes", hub.MessageID)
	case hub != other:
		r.differs(name, hub.Seq, "message %s differs: the hub has %s, the other server %s", hub.MessageID, kinds(hub), kinds(other))
	}
}

// kinds names an entry without its content.
func kinds(e Entry) string {
	content := "no content"
	if e.Content != "" {
		content = "content " + e.Content
	}
	return e.Kind + " " + e.TempID + " of device " + e.Device + " with " + content
}

func (r *Report) differs(name string, seq int64, format string, args ...any) {
	r.add(Violation{Rule: SameLog, Conversation: name, Seq: seq}, format, args...)
}
