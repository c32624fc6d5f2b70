// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"parley.chat/protocol/frame"
)

// Book is what a device knows: the union of everything it was given, each entry once. It refuses what no server may give:
// two entries at one place, a new entry below a newer one, a hole in a page that no gap tells of.
type Book struct {
	mu       sync.Mutex
	cursor   string
	events   map[string]map[int64]frame.Event
	top      map[string]int64 // newest that came live or by sync
	convs    map[string]frame.Conversation
	receipts map[string]map[string]frame.Receipt
	gaps     map[Gap]bool
	again    int
	expired  map[string]bool // messages told to be
}

// Gap is a part of a conversation that is to be fetched.
type Gap struct {
	Conversation        string
	AfterSeq, BeforeSeq int64
}

// NewBook is empty: its next sync is a first one.
func NewBook() *Book {
	return &Book{
		events: map[string]map[int64]frame.Event{}, top: map[string]int64{}, convs: map[string]frame.Conversation{},
		receipts: map[string]map[string]frame.Receipt{}, gaps: map[Gap]bool{}, expired: map[string]bool{},
	}
}

// Cursor is the newest one.
func (b *Book) Cursor() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cursor
}

// Repeats counts entries that came though they were known.
func (b *Book) Repeats() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.again
}

// Page takes a page of sync.
func (b *Book) Page(s frame.Sync) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	gaps := map[string]*frame.Gap{}
	for _, c := range s.Conversations {
		b.convs[c.ConversationID] = c
		if c.Gap != nil {
			gaps[c.ConversationID] = c.Gap
			b.gaps[Gap{c.ConversationID, c.Gap.AfterSeq, c.Gap.BeforeSeq}] = true
		}
	}
	last := map[string]int64{}
	for _, e := range s.Messages {
		before, seen := last[e.ConversationID]
		if seen && e.Seq != before+1 {
			return fmt.Errorf("page of %s: seq %d follows %d", e.ConversationID, e.Seq, before)
		}
		if g := gaps[e.ConversationID]; !seen && g != nil && e.Seq != g.BeforeSeq {
			return fmt.Errorf("page of %s: begins with %d after the gap before %d", e.ConversationID, e.Seq, g.BeforeSeq)
		}
		last[e.ConversationID] = e.Seq
		if err := b.add(e, true); err != nil {
			return err
		}
	}
	for _, r := range s.Receipts {
		b.receipt(r.ConversationID, r.UserID, r.DeliveredSeq, r.ReadSeq)
	}
	b.cursor = s.Cursor
	return nil
}

// Live takes a live entry.
func (b *Book) Live(e frame.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(e, true)
}

// Acked takes the place of an own message.
func (b *Book) Acked(user string, a frame.Ack) error {
	if a.Status != frame.Sent { // It has no place yet.
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(frame.Event{
		ConversationID: a.ConversationID, Seq: a.Seq, MessageID: a.MessageID, Type: frame.TypeMessage, SenderID: user,
		TempID: a.TempID, Timestamp: a.Timestamp, Status: a.Status,
	}, false)
}

// Moved takes a live receipt.
func (b *Book) Moved(d frame.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	read := int64(-1)
	if d.Status == "read" {
		read = *d.Seq
	}
	b.receipt(d.ConversationID, d.UserID, *d.Seq, read)
}

// MovedMany takes many live receipts.
func (b *Book) MovedMany(m frame.MovedPointers) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range m.Receipts {
		delivered, read := int64(-1), int64(-1)
		if p.DeliveredSeq != nil {
			delivered = *p.DeliveredSeq
		}
		if p.ReadSeq != nil {
			read = *p.ReadSeq
		}
		b.receipt(m.ConversationID, p.UserID, max(delivered, read), read)
	}
}

func (b *Book) receipt(conv, user string, delivered, read int64) {
	if b.receipts[conv] == nil {
		b.receipts[conv] = map[string]frame.Receipt{}
	}
	have, ok := b.receipts[conv][user]
	if !ok {
		have = frame.Receipt{ConversationID: conv, UserID: user, DeliveredSeq: -1, ReadSeq: -1}
	}
	have.DeliveredSeq, have.ReadSeq = max(have.DeliveredSeq, delivered), max(have.ReadSeq, read)
	b.receipts[conv][user] = have
}

// Receipt is how far the user got, -1 where nothing is known.
func (b *Book) Receipt(conv, user string) frame.Receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, ok := b.receipts[conv][user]; ok {
		return r
	}
	return frame.Receipt{ConversationID: conv, UserID: user, DeliveredSeq: -1, ReadSeq: -1}
}

func (b *Book) add(e frame.Event, ordered bool) error {
	known := b.events[e.ConversationID]
	if known == nil {
		known = map[int64]frame.Event{}
		b.events[e.ConversationID] = known
	}
	if have, ok := known[e.Seq]; ok {
		b.again++
		if have.MessageID != e.MessageID {
			return fmt.Errorf("%s seq %d is %s and %s", e.ConversationID, e.Seq, have.MessageID, e.MessageID)
		}
		if isNewer(e, have) {
			known[e.Seq] = e
		}
		if ordered {
			b.top[e.ConversationID] = max(b.top[e.ConversationID], e.Seq)
		}
		return nil
	}
	if top, ok := b.top[e.ConversationID]; ok && ordered && e.Seq < top {
		return fmt.Errorf("%s seq %d came new after %d", e.ConversationID, e.Seq, top)
	}
	known[e.Seq] = e
	if ordered {
		b.top[e.ConversationID] = e.Seq
	}
	return nil
}

// Gaps lists the gaps that are open.
func (b *Book) Gaps() []Gap {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.gaps))
}

// Range takes entries fetched to fill a gap.
func (b *Book) Range(g Gap, events []frame.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		if e.Seq <= g.AfterSeq || e.Seq >= g.BeforeSeq {
			return fmt.Errorf("seq %d is outside of the gap %+v", e.Seq, g)
		}
		if err := b.add(e, false); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) filled(g Gap) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.gaps, g)
	for seq := g.AfterSeq + 1; seq < g.BeforeSeq; seq++ {
		if _, ok := b.events[g.Conversation][seq]; !ok {
			return fmt.Errorf("the range of gap %+v lacks seq %d", g, seq)
		}
	}
	return nil
}

func (g Gap) query(cursor string) string {
	v := url.Values{"limit": {"200"}}
	if cursor != "" {
		v.Set("cursor", cursor)
	} else {
		v.Set("afterSeq", strconv.FormatInt(g.AfterSeq, 10))
		v.Set("beforeSeq", strconv.FormatInt(g.BeforeSeq, 10))
	}
	return v.Encode()
}

// Events are the known entries of a conversation in order of seq.
func (b *Book) Events(conv string) []frame.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Collect(maps.Values(b.events[conv]))
	slices.SortFunc(out, func(x, y frame.Event) int { return int(x.Seq - y.Seq) })
	return out
}

// Has tells whether an entry is known.
func (b *Book) Has(conv string, seq int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.events[conv][seq]
	return ok
}

// find returns the first entry of a conversation that matches.
func (b *Book) find(match func(frame.Event) bool) (frame.Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, events := range b.events {
		for _, seq := range slices.Sorted(maps.Keys(events)) {
			if match(events[seq]) {
				return events[seq], true
			}
		}
	}
	return frame.Event{}, false
}

// Conversation is the newest summary that sync gave.
func (b *Book) Conversation(conv string) (frame.Conversation, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.convs[conv]
	return c, ok
}

// Conversations lists the ids of all conversations that sync gave.
func (b *Book) Conversations() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.convs))
}

// Dense checks that exactly the entries from..to of the conversation are known.
func (b *Book) Dense(conv string, from, to int64) error {
	events := b.Events(conv)
	for i, e := range events {
		if e.Seq != from+int64(i) {
			return fmt.Errorf("%s: seq %d where %d was due", conv, e.Seq, from+int64(i))
		}
	}
	if got := from + int64(len(events)) - 1; got != to {
		return fmt.Errorf("%s: known up to %d, want %d", conv, got, to)
	}
	return nil
}

// Clone is an independent copy, for a device that goes on from a backup of its own.
func (b *Book) Clone() *Book {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := NewBook()
	c.cursor, c.top, c.convs, c.gaps = b.cursor, maps.Clone(b.top), maps.Clone(b.convs), maps.Clone(b.gaps)
	for conv, m := range b.events {
		c.events[conv] = maps.Clone(m)
	}
	for conv, m := range b.receipts {
		c.receipts[conv] = maps.Clone(m)
	}
	return c
}
