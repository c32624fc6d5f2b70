// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Consent of a member to a direct conversation that a stranger made.
const (
	Requested = "request"  // asked, not answered
	Declined  = "declined" // not to be seen until accepted
)

// maxSpans bounds the ranges remembered; beyond it the oldest two become one.
const maxSpans = 64

// Prefs are what a member wants of a conversation for himself. They are replaced, never changed. The zero Prefs are those of
// nearly all members, who have none.
type Prefs struct {
	MutedUntil    int64  `json:"mutedUntil,omitempty"`
	IsPinned      bool   `json:"isPinned,omitempty"`
	IsArchived    bool   `json:"isArchived,omitempty"`
	MarkedUnread  bool   `json:"markedUnread,omitempty"`
	Notifications string `json:"notifications,omitempty"` // "" is all
	Draft         string `json:"draft,omitempty"`

	Consent  string `json:"consent,omitempty"`  // of a direct conversation; "" is given
	Silent   bool   `json:"silent,omitempty"`   // the peer made the direct conversation, and the member neither wrote nor accepted
	Blocked  bool   `json:"blocked,omitempty"`  // the peer of a direct conversation; the last span is open then
	Withheld []Span `json:"withheld,omitempty"` // what the peer sent while blocked
	Shown    *Shown `json:"shown,omitempty"`    // the pointers as others see them, while something is kept from the peer
}

// Span is a range of entries, From <= seq <= To, and the counts before and at its end. An open one has To -1.
type Span struct {
	From   int64 `json:"from"`
	To     int64 `json:"to"`
	Before int64 `json:"before"`
	Upto   int64 `json:"upto"`
}

// Shown are a member's pointers as others see them.
type Shown struct {
	Delivered int64 `json:"delivered"`
	Read      int64 `json:"read"`
}

// mute is a member's prefs of whom the peer shall notice nothing.
func (p *Prefs) mute() bool { return p != nil && (p.Blocked || p.Consent != "") }

// Blocks tells whether an entry of the peer is withheld.
func (p *Prefs) Blocks(seq int64) bool {
	return p != nil && slices.ContainsFunc(p.Withheld, func(s Span) bool { return seq >= s.From && (s.To < 0 || seq <= s.To) })
}

// Hides tells that the conversation is not to be seen at all: it was declined, or made by someone blocked.
func (p *Prefs) Hides() bool {
	return p != nil && (p.Consent == Declined || p.Blocked && len(p.Withheld) > 0 && p.Withheld[len(p.Withheld)-1].From == 0)
}

// Seen are the pointers as other members see them.
func (p Pointer) Seen() (delivered, read int64) {
	if p.Prefs != nil && p.Prefs.Shown != nil {
		return p.Prefs.Shown.Delivered, p.Prefs.Shown.Read
	}
	return p.Delivered, p.Read
}

// Unread counts the messages after the read pointer that are not withheld, in a conversation with so many. A request has none.
func (p Pointer) Unread(count int64) int64 {
	n := count - p.ReadCount
	if p.Prefs == nil {
		return max(0, n)
	}
	if p.Prefs.Consent != "" {
		return 0
	}
	for _, s := range p.Prefs.Withheld {
		upto := s.Upto
		if s.To < 0 {
			upto = count
		}
		n -= max(0, upto-max(s.Before, p.ReadCount))
	}
	return max(0, n)
}

// Top is the highest entry the member is told of in a conversation that ends at head: past it everything is withheld.
func (p Pointer) Top(head int64) int64 {
	if p.Prefs == nil || !p.Prefs.Blocked || len(p.Prefs.Withheld) == 0 {
		return head
	}
	return min(head, max(p.Prefs.Withheld[len(p.Prefs.Withheld)-1].From-1, p.Read))
}

// spoke is the pointer of who sent the entry: sending is reading, and agreeing.
func (p Pointer) spoke(seq, count int64) Pointer {
	p.Delivered, p.Read, p.ReadCount = seq, seq, count
	if p.Prefs != nil && (p.Prefs.MarkedUnread || p.Prefs.Silent || p.Prefs.Consent != "" || p.Prefs.Shown != nil) {
		next := *p.Prefs
		next.MarkedUnread = false
		p.Prefs = next.With(View{}, p, (*Prefs).Accept)
		p.Prefs.Shown = nil
		if p.Prefs.mute() { // Others see that this was sent, and so that what came before was there.
			p.Prefs.Shown = &Shown{Delivered: seq, Read: seq}
		}
	}
	return p
}

// Accept gives consent; what a blocked peer made is shown from then on, empty.
func (p *Prefs) Accept() {
	p.Consent, p.Silent = "", false
	if n := len(p.Withheld); n > 0 && p.Withheld[n-1].From == 0 {
		p.Withheld = slices.Clone(p.Withheld)
		p.Withheld[n-1].From = 1
	}
}

// Spoke is the pointer of who sent an entry that was not flushed.
func (p Pointer) Spoke(seq, count int64) Pointer { return p.spoke(seq, count) }

// With makes other prefs. What others see of the pointers, and what is withheld, follow from consent and block. v is the
// conversation as committed, p the member's pointer.
func (p *Prefs) With(v View, at Pointer, change func(*Prefs)) *Prefs {
	var next Prefs
	if p != nil {
		next = *p
	}
	was := next.Blocked
	change(&next)
	switch {
	case next.Blocked && !was:
		next.Withheld = append(slices.Clip(next.Withheld), Span{From: v.Head.Seq + 1, To: -1, Before: v.Head.Count})
		if !v.Head.Exists {
			next.Withheld[len(next.Withheld)-1].From = 0
		}
	case was && !next.Blocked:
		next.Withheld = closed(next.Withheld, v.Head)
	}
	switch {
	case next.mute() && next.Shown == nil:
		next.Shown = &Shown{Delivered: at.Delivered, Read: at.Read}
	case !next.mute() && p.mute() && !was: // That a block ended is not to be seen: the pointers stay until they move.
		next.Shown = nil
	}
	return &next
}

// closed ends the open span at the head.
func closed(spans []Span, head conversation.Head) []Span {
	out := slices.Clone(spans)
	last := &out[len(out)-1]
	last.From, last.To, last.Upto = max(last.From, 1), head.Seq, head.Count
	if last.To < last.From {
		return out[:len(out)-1]
	}
	if len(out) > maxSpans {
		out[1].From, out[1].Before = out[0].From, out[0].Before
		out = out[1:]
	}
	return out
}

// Frame is what the member's devices are told.
func (p *Prefs) Frame(c id.Conversation) *frame.Prefs {
	out := &frame.Prefs{ConversationID: string(c), Notifications: "all"}
	if p == nil {
		return out
	}
	out.MutedUntil, out.IsPinned, out.IsArchived, out.MarkedUnread, out.Draft = p.MutedUntil, p.IsPinned, p.IsArchived, p.MarkedUnread, p.Draft
	if p.Notifications != "" {
		out.Notifications = p.Notifications
	}
	out.IsRequest, out.IsHidden = p.Consent == Requested && !p.Hides(), p.Hides()
	return out
}

// SetPrefs changes the prefs of a member, past ones too, and returns once that is durable. change runs on the committer's
// goroutine, one after the other, after everything that was queued before: it makes new prefs of the committed conversation
// and the member's pointer, or returns nil to leave them. Faults: UnknownConversation, Unavailable, and those of change.
func (t *Timeline) SetPrefs(ctx context.Context, c id.Conversation, u id.User, change func(View, Pointer) (*Prefs, error)) error {
	for range 3 {
		done := make(chan error, 1)
		err := t.queuePrefs(ctx, c, &prefsChange{user: u, change: change}, func(_ Result, err error) { done <- err })
		if err != nil {
			return err
		}
		select {
		case err := <-done:
			if !errors.Is(err, errDropped) {
				return err
			}
		case <-ctx.Done():
			return away(ctx.Err())
		}
	}
	return away(errDropped)
}

// prefsChange is what a pending is about that is no event.
type prefsChange struct {
	user   id.User
	change func(View, Pointer) (*Prefs, error)
}

func (t *Timeline) queuePrefs(ctx context.Context, c id.Conversation, ch *prefsChange, then func(Result, error)) error {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return err
	}
	p := t.newPending(Command{ConversationID: c}, held, then)
	p.prefs = ch
	if err := sh.group.enqueue(p); err != nil {
		sh.release(held)
		return err
	}
	return nil
}

// settle makes changes of prefs durable, after the batch they came with.
func (g *group) settle(ctx context.Context, list []*pending) {
	if len(list) == 0 {
		return
	}
	gen := g.gen.Load()
	var waiting []*pending
	for _, p := range list {
		changed, err := p.conv.settle(p, gen)
		if changed {
			waiting = append(waiting, p)
		} else {
			p.finish(Result{}, err)
		}
	}
	if len(waiting) == 0 {
		return
	}
	g.flushNow = true
	err := g.commit(ctx, &work{gen: gen, touched: map[*shard]int64{}})
	for _, p := range waiting {
		p.finish(Result{}, err)
	}
}

func (c *conv) settle(p *pending, gen uint64) (changed bool, err error) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.gen != gen || c.log != c.shard.log {
		return false, errDropped
	}
	at := c.pointers[p.prefs.user]
	if c.view.State == nil || at == nil {
		return false, fault.New(fault.UnknownConversation, "no such conversation")
	}
	next, err := p.prefs.change(c.view, at.Pointer)
	if err != nil || next == nil {
		return false, err
	}
	c.setPrefs(at, next)
	return true, nil
}

// setPrefs puts prefs in place; they are written and told with the next receipts. The caller holds shard.mu.
func (c *conv) setPrefs(p *pointer, next *Prefs) {
	p.untold = false
	p.unmuted = p.unmuted || p.Prefs.mute() && !next.mute() && next.Shown == nil
	p.Prefs, p.newPrefs = next, true
	c.shard.moved[c] = struct{}{}
}

// answered puts prefs in place that differ in what no device is told of, if no others wait. The caller holds shard.mu.
func (c *conv) answered(p *pointer, next *Prefs) {
	untold := !p.newPrefs && *p.Prefs.Frame(c.id) == *next.Frame(c.id)
	c.setPrefs(p, next)
	p.untold = untold
}

// addPrefs flushes new prefs: the member's devices are told, and the peer of what may be seen again.
func (w *work) addPrefs(c *conv, u id.User, p *pointer, mark int64, fl *flush) {
	w.Prefs = append(w.Prefs, PrefsRow{Shard: c.shard.n, Conv: c.view.Conv, User: u, Prefs: p.Prefs, Mark: mark})
	fl.prefs[p] = c
	if !p.untold {
		fl.receipts = append(fl.receipts, conversation.Receipt{
			Shard: c.shard.n, Mark: mark, ConversationID: c.id, User: u, Prefs: p.Prefs.Frame(c.id), To: []id.User{u},
		})
	}
	if p.unmuted {
		p.moved = &moved{delivered: c.refAt(p.Delivered), read: c.refAt(p.Read), again: true}
	}
	p.newPrefs, p.unmuted, p.untold = false, false, false
}

// refAt is a recent entry, nil if it is not recent.
func (c *conv) refAt(seq int64) *Ref {
	if r, ok := c.ref(seq); ok {
		return &r
	}
	return nil
}

// withheld tells which member does not get the event, and whether a request is announced instead. The caller holds shard.mu.
func (c *conv) withheld(e *conversation.Event, s *conversation.State, now int64) (from []id.User, knock bool) {
	if s.Type() != event.Direct {
		return nil, false
	}
	peer := s.Peer(e.Sender)
	p := c.pointers[peer]
	if p == nil || !p.Prefs.mute() {
		return nil, false
	}
	if knock = p.Prefs.Consent == Requested && !p.Prefs.Blocked && e.Type == frame.TypeMessage && now-c.knockedAt >= knockPause; knock {
		c.knockedAt = now
	}
	return []id.User{peer}, knock
}

// unseen tells which member is told of an edit without its content, as the message was withheld. The caller holds shard.mu.
func (c *conv) unseen(p *pending, s *conversation.State) []id.User {
	if p.cmd.Type != frame.TypeEdit || p.about == nil || s.Type() != event.Direct {
		return nil
	}
	peer := s.Peer(p.cmd.Sender)
	if at := c.pointers[peer]; at == nil || !at.Prefs.Blocks(p.about.Seq) {
		return nil
	}
	return []id.User{peer}
}

// knockPause is how long a request is not announced again, in milliseconds.
const knockPause = 60_000

// hushed tells that in a direct conversation nothing of the moment is passed on. The caller holds shard.mu.
func (c *conv) hushed() bool {
	if c.view.State == nil || c.view.State.Type() != event.Direct {
		return false
	}
	for _, p := range c.pointers {
		if p.Prefs.mute() {
			return true
		}
	}
	return false
}
