// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"maps"
	"slices"
	"time"

	"parley.chat/protocol/frame"
)

// timeline puts the events of each conversation in order. It is pure and belongs to Run.
//
//	high            held
//	 │  hole         │ │     │
//	─●───────────────●─●─────●──▶ seq
//
// Everything up to high was handed over; what is above waits until nothing lies between.
type timeline struct {
	self   string // the own user id
	lines  map[string]*line
	floors map[string]int64 // where conversations begin that had no event yet
	dirty  map[string]int64 // highs that moved since take
	nHeld  int
}

type line struct {
	high int64
	held map[int64]frame.Event
	hole time.Time // when the first held event came
}

func newTimeline(self string, high map[string]int64) *timeline {
	t := &timeline{self: self, lines: map[string]*line{}, floors: map[string]int64{}, dirty: map[string]int64{}}
	for conv, h := range high {
		t.lines[conv] = &line{high: h}
	}
	return t
}

func (t *timeline) knows(conversationID string) bool { return t.lines[conversationID] != nil }

// begin says that events up to high need not be handed over; it does nothing for a conversation that has begun.
func (t *timeline) begin(conversationID string, high int64) {
	if t.lines[conversationID] == nil {
		t.lines[conversationID] = &line{high: high}
		t.dirty[conversationID] = high
		delete(t.floors, conversationID)
	}
}

// floor is begin for a conversation of which no event came yet, in case one comes by itself.
func (t *timeline) floor(conversationID string, high int64) {
	if t.lines[conversationID] == nil {
		t.floors[conversationID] = high
	}
}

// seal begins every conversation at its floor that had no event until all was synced.
func (t *timeline) seal() {
	for conv, high := range t.floors {
		t.begin(conv, high)
	}
}

// add takes an event in and returns what is now in order, which is nothing for a duplicate or behind a hole.
func (t *timeline) add(e frame.Event, now time.Time) []frame.Event {
	if t.lines[e.ConversationID] == nil {
		t.begin(e.ConversationID, t.firstHigh(e))
	}
	l := t.lines[e.ConversationID]
	if _, double := l.held[e.Seq]; double || e.Seq <= l.high {
		return nil
	}
	if l.held == nil {
		l.held, l.hole = map[int64]frame.Event{}, now
	}
	l.held[e.Seq] = e
	t.nHeld++
	return t.release(e.ConversationID, l)
}

// firstHigh tells where a conversation begins for this user if its first event came by itself: before it for the
// event that made the user a member, else at the floor, else at the beginning.
func (t *timeline) firstHigh(e frame.Event) int64 {
	if e.Type == frame.TypeMemberAdd && e.Change != nil && slices.Contains(e.Change.UserIDs, t.self) {
		return e.Seq - 1
	}
	if floor, ok := t.floors[e.ConversationID]; ok {
		return min(floor, e.Seq-1)
	}
	return -1
}

// settle says that below before nothing more is to be had, and returns what that sets free, in order.
func (t *timeline) settle(conversationID string, before int64) []frame.Event {
	l := t.lines[conversationID]
	if l == nil || before-1 <= l.high {
		return nil
	}
	var out []frame.Event
	for _, seq := range slices.Sorted(maps.Keys(l.held)) {
		if seq < before {
			out = append(out, l.held[seq])
			delete(l.held, seq)
			t.nHeld--
		}
	}
	l.high = before - 1
	t.dirty[conversationID] = l.high
	return append(out, t.release(conversationID, l)...)
}

func (t *timeline) release(conversationID string, l *line) []frame.Event {
	var out []frame.Event
	for {
		e, ok := l.held[l.high+1]
		if !ok {
			break
		}
		delete(l.held, e.Seq)
		t.nHeld--
		l.high++
		out = append(out, e)
	}
	if len(l.held) == 0 {
		l.held = nil
	}
	if len(out) > 0 {
		t.dirty[conversationID] = l.high
	}
	return out
}

// hole is a range that must be fetched before what is held above it: after < seq < before.
type hole struct {
	conversationID string
	after, before  int64
	since          time.Time
}

// holes lists the lowest hole of every conversation that has one.
func (t *timeline) holes() []hole {
	if t.nHeld == 0 {
		return nil
	}
	var out []hole
	for conv, l := range t.lines {
		if len(l.held) > 0 {
			lowest := slices.Min(slices.Collect(maps.Keys(l.held)))
			out = append(out, hole{conv, l.high, lowest, l.hole})
		}
	}
	return out
}

// take returns the highs that moved since the last take.
func (t *timeline) take() map[string]int64 {
	d := t.dirty
	t.dirty = map[string]int64{}
	return d
}

// giveBack undoes take after it was not stored; what moved since stays.
func (t *timeline) giveBack(d map[string]int64) {
	for conv, high := range d {
		if _, newer := t.dirty[conv]; !newer {
			t.dirty[conv] = high
		}
	}
}
