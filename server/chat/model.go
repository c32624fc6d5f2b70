// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"parley.chat/protocol/frame"
)

// model is what the app knows of the conversations; it does no I/O.
type model struct {
	self   string // the own user id
	convs  map[string]*conv
	listed []string // conversation ids as numbered by the last list
	owned  []string // device ids as numbered by the last /devices
	open   string   // the open conversation, empty if none
	found  found
}

// conv is a conversation and what is known of its members.
type conv struct {
	frame.Conversation
	receipts map[string]frame.Receipt // by user, of others
	own      []*outgoing              // of this run, oldest first, bounded
	shown    int64                    // the highest seq on the screen
	messages []frame.Event            // the newest that were shown, as they are now
	gone     map[string]bool          // of those users whose receipts are known, who is no member any more
	owners   map[string]bool          // of those members that were read
	oldest   int64                    // the lowest seq that /older goes on from, -1 if nothing was shown
	withheld map[int64]string         // ticks of own messages that pointers pass over, by seq; bounded
}

// outgoing is an own message and how far it got.
type outgoing struct {
	tempID, text string
	seq          int64 // -1 while queued
	tick         string
	at           time.Time // when it was typed
	proved       bool      // it is known whether the peer got it
}

// The ticks of a message.
const (
	tickQueued    = "…"
	tickAccepted  = "⋯"
	tickSent      = "✓"
	tickDelivered = "✓✓"
	tickRead      = "✓✓ read"
	tickFailed    = "✗"

	maxOwn = 100
)

func newModel(self string) *model { return &model{self: self, convs: map[string]*conv{}} }

// server is the server name of the own account.
func (m *model) server() string { _, s, _ := strings.Cut(m.self, "@"); return s }

// person is a user id as it is shown.
func (m *model) person(userID string) string {
	if userID == m.self {
		return "you"
	}
	return clean(strings.TrimSuffix(userID, "@"+m.server()))
}

// title is the name of a conversation as it is shown.
func (m *model) title(c *conv) string {
	if c.Name != "" {
		return clean(c.Name)
	}
	if c.PeerID != "" {
		return m.person(c.PeerID)
	}
	return short(clean(c.ConversationID), 9)
}

// get returns the conversation, made if it is new.
func (m *model) get(conversationID string) *conv {
	c := m.convs[conversationID]
	if c == nil {
		c = &conv{receipts: map[string]frame.Receipt{}, shown: -1, oldest: -1, owners: map[string]bool{}, gone: map[string]bool{}, withheld: map[int64]string{}}
		c.ConversationID, c.HeadSeq, c.ReadSeq = conversationID, -1, -1
		m.convs[conversationID] = c
	}
	return c
}

// learn takes a summary in.
func (m *model) learn(s frame.Conversation) *conv {
	c := m.get(s.ConversationID)
	if s.HeadSeq >= c.HeadSeq {
		c.Conversation = s
	}
	return c
}

// note takes an event in and tells whether it is newer than what was known.
func (m *model) note(e frame.Event) bool {
	c := m.get(e.ConversationID)
	if e.Seq <= c.HeadSeq {
		return false
	}
	c.HeadSeq, c.LastMessageAt = e.Seq, e.Timestamp
	if e.Type == frame.TypeMessage {
		c.LastMessage = &e
		if e.SenderID != m.self {
			c.UnreadCount++
		}
		return true
	}
	m.applyChange(c, e)
	return true
}

func (m *model) applyChange(c *conv, e frame.Event) {
	if e.Change == nil {
		return
	}
	if e.Change.ConversationType != "" {
		c.Type = e.Change.ConversationType
	}
	if e.Type == frame.TypeRename || e.Type == frame.TypeCreate {
		c.Name = e.Change.Name
	}
	others := slices.DeleteFunc(slices.Clone(e.Change.UserIDs), func(u string) bool { return u == m.self })
	if e.Type == frame.TypeCreate && c.Type == "direct" && c.PeerID == "" {
		c.PeerID = append(append(others, e.SenderID), "")[0]
	}
}

// receipt takes a receipt in; pointers only move forward.
func (m *model) receipt(r frame.Receipt) {
	c := m.get(r.ConversationID)
	if r.UserID == m.self {
		if r.ReadSeq >= c.HeadSeq {
			c.UnreadCount = 0
		}
		return
	}
	old, known := c.receipts[r.UserID]
	if known {
		r.DeliveredSeq, r.ReadSeq = max(r.DeliveredSeq, old.DeliveredSeq), max(r.ReadSeq, old.ReadSeq)
	}
	c.receipts[r.UserID] = r
}

// tick tells how far the own message with the seq got: in a group, delivered and read are by anyone.
func (c *conv) tick(seq int64) string {
	if seq < 0 {
		return tickQueued
	}
	if t, ok := c.withheld[seq]; ok {
		return t
	}
	tick := tickSent
	for _, r := range c.receipts {
		if r.ReadSeq >= seq {
			return tickRead
		}
		if r.DeliveredSeq >= seq {
			tick = tickDelivered
		}
	}
	return tick
}

// recorded takes in how far a page tells that an own message of a direct conversation got. Pointers pass over what was withheld
// from the peer, so the record knows better.
func (c *conv) recorded(e frame.Event) {
	if c.PeerID == "" || e.Status == "" {
		return
	}
	delete(c.withheld, e.Seq)
	told := map[string]string{"delivered": tickDelivered, "read": tickRead}[e.Status]
	if told == "" {
		told = tickSent
	}
	if len(told) >= len(c.tick(e.Seq)) { // The further a message got, the longer its tick.
		return
	}
	if len(c.withheld) >= maxKept {
		delete(c.withheld, slices.Min(slices.Collect(maps.Keys(c.withheld))))
	}
	c.withheld[e.Seq] = told
}

// muted tells whether the user hears nothing of the conversation.
func (c *conv) muted(now time.Time) bool { return c.MutedUntil > now.UnixMilli() }

// preferred takes in settings of a conversation that changed.
func (m *model) preferred(p frame.Prefs) {
	c := m.convs[p.ConversationID]
	if c == nil {
		return // The list tells.
	}
	c.MutedUntil, c.IsPinned, c.IsArchived, c.MarkedUnread = p.MutedUntil, p.IsPinned, p.IsArchived, p.MarkedUnread
	c.Notifications, c.Draft, c.IsRequest, c.IsHidden = p.Notifications, p.Draft, p.IsRequest, p.IsHidden
}

// sending notes an own message.
func (c *conv) sending(tempID, text string) *outgoing {
	o := &outgoing{tempID: tempID, text: text, seq: -1, tick: tickQueued, at: time.Now()}
	c.own = append(c.own, o)
	if len(c.own) > maxOwn {
		c.own = slices.Delete(c.own, 0, 1)
	}
	return o
}

// find returns the own message of this run with the tempId, or nil.
func (c *conv) find(tempID string) *outgoing {
	for _, o := range c.own {
		if o.tempID == tempID {
			return o
		}
	}
	return nil
}

// moved brings the ticks of own messages up to date and returns those that changed.
func (c *conv) moved() []*outgoing {
	var out []*outgoing
	for _, o := range c.own {
		if o.tick == tickFailed {
			continue
		}
		if t := c.tick(o.seq); t != o.tick {
			o.tick = t
			out = append(out, o)
		}
	}
	return out
}

// current returns the conversations the user is in and accepted: pinned ones first, then the newest.
func (m *model) current() []*conv {
	all := slices.SortedFunc(maps.Values(m.convs), func(a, b *conv) int {
		return cmp.Or(cmp.Compare(pinnedFirst(a), pinnedFirst(b)), cmp.Compare(b.LastMessageAt, a.LastMessageAt), cmp.Compare(a.ConversationID, b.ConversationID))
	})
	return slices.DeleteFunc(all, func(c *conv) bool {
		return c.Membership == "left" || c.Membership == "removed" || c.IsRequest || c.IsHidden
	})
}

func pinnedFirst(c *conv) int {
	if c.IsPinned {
		return 0
	}
	return 1
}

// list numbers the conversations; those that were put away only if all are wanted.
func (m *model) list(everything bool) []*conv {
	all := m.current()
	if !everything {
		all = slices.DeleteFunc(all, func(c *conv) bool { return c.IsArchived })
	}
	m.listed = m.listed[:0]
	for _, c := range all {
		m.listed = append(m.listed, c.ConversationID)
	}
	return all
}
