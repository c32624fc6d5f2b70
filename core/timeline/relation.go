// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// relationsKept bounds the messages of a conversation whose facts the builder remembers. Half of them are more than there
// can be events in the two batches under way, so what is forgotten was committed.
const relationsKept = 4 * batchSize

// relations is what the events decided lately did to messages of a conversation. It is newer than what a command found in
// the store before it was queued, so that the log alone decides between an edit and a deletion at the same time.
type relations struct {
	n      int64 // events about messages decided
	forgot int64 // the newest of those whose fact is forgotten
	facts  map[int64]*fact
}

// fact is what is true of a message after all that was decided.
type fact struct {
	seq    int64
	at     int64 // n at the newest event
	erased bool
	edits  int
	emojis map[string]int
	own    map[id.User]map[string]bool // of users who reacted since the fact is remembered
}

// findTarget reads the message that the command is about, if its sender may read it.
func (t *Timeline) findTarget(ctx context.Context, p *pending) error {
	m := p.cmd.About
	if m == (id.Message{}) {
		return nil
	}
	sh := p.conv.shard
	sh.mu.RLock()
	from, to, ok := p.conv.view.State.Visible(p.cmd.Sender, p.conv.view.Head.Seq)
	num := p.conv.view.Conv
	p.asOf = p.conv.related
	sh.mu.RUnlock()
	if !ok || m.Seq() < from || m.Seq() > to {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	found, err := t.Store.Target(ctx, sh.n, num, m.Seq(), p.cmd.Sender)
	if err != nil {
		return away(err)
	}
	if found != nil && found.MessageID == m {
		p.about, p.deleted = found, found.Content == nil
	}
	return nil
}

// knows tells whether what p found in the store, with what is remembered, is all that was decided.
func (r *relations) knows(p *pending) bool { return p.about == nil || p.asOf >= r.forgot }

// target is what Decide goes by.
func (r *relations) target(p *pending) *conversation.Target {
	a := p.about
	if a == nil {
		return nil
	}
	if from, to, ok := p.conv.state.Visible(p.cmd.Sender, p.conv.head.Seq); !ok || a.Seq < from || a.Seq > to {
		return nil // It was looked for by the state of before.
	}
	t := &conversation.Target{
		Seq: a.Seq, Type: a.Type, Sender: a.Sender, Time: a.HubTime, ExpiresAt: a.ExpiresAt,
		Erased: p.deleted, Emojis: a.Emojis, Own: a.Own,
	}
	if a.Facts != nil {
		t.Edits = a.Facts.Edits
	}
	f := r.facts[a.Seq]
	if f == nil {
		return t
	}
	t.Erased, t.Edits, t.Emojis = f.erased, f.edits, f.emojis
	if own := f.own[p.cmd.Sender]; own != nil {
		t.Own = own
	}
	return t
}

// note remembers what an event that was decided does.
func (r *relations) note(p *pending) {
	t := p.cmd.Target
	r.n++
	f := r.facts[t.Seq]
	if f == nil {
		f = &fact{seq: t.Seq, erased: t.Erased, edits: t.Edits, emojis: t.Emojis, own: map[id.User]map[string]bool{}}
		r.remember(f)
	}
	f.at = r.n
	switch p.cmd.Type {
	case frame.TypeEdit:
		f.edits++
	case frame.TypeDelete:
		f.erased, f.emojis = true, nil
		clear(f.own)
	case frame.TypeReaction:
		f.react(p)
	}
}

func (f *fact) react(p *pending) {
	own := f.own[p.cmd.Sender]
	if own == nil {
		own = map[string]bool{}
		for emoji := range p.cmd.Target.Own {
			own[emoji] = true
		}
		f.own[p.cmd.Sender] = own
	}
	if f.emojis == nil {
		f.emojis = map[string]int{}
	}
	if p.cmd.Action == frame.ActionAdd {
		own[p.cmd.Emoji] = true
		f.emojis[p.cmd.Emoji]++
		return
	}
	delete(own, p.cmd.Emoji)
	if f.emojis[p.cmd.Emoji]--; f.emojis[p.cmd.Emoji] <= 0 {
		delete(f.emojis, p.cmd.Emoji)
	}
}

func (r *relations) remember(f *fact) {
	if r.facts == nil {
		r.facts = map[int64]*fact{}
	}
	if len(r.facts) >= relationsKept {
		r.forget()
	}
	r.facts[f.seq] = f
}

// forget drops the older half.
func (r *relations) forget() {
	all := make([]*fact, 0, len(r.facts))
	for _, f := range r.facts {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *fact) int { return cmp.Compare(a.at, b.at) })
	for _, f := range all[:len(all)/2] {
		delete(r.facts, f.seq)
		r.forgot = f.at
	}
}

// relate adds to the batch what e does to a message, or whom it mentions.
func (w *work) relate(p *pending, e *conversation.Event) {
	if len(p.cmd.Mentions) > 0 && e.Type == frame.TypeMessage {
		w.Mentions = append(w.Mentions, MentionRow{Shard: e.Shard, Conv: e.Conv, Seq: e.Seq, Users: p.cmd.Mentions})
	}
	target, ok := p.target()
	if !ok || conversation.ChangesState(e.Type) {
		return
	}
	if p.about != nil {
		p.conv.relations.note(p)
	}
	w.Relations = append(w.Relations, RelationRow{
		Shard: e.Shard, Conv: e.Conv, Target: target, Seq: e.Seq, Type: e.Type, User: e.Sender, At: e.HubTime,
		Emoji: p.cmd.Emoji, Action: p.cmd.Action,
	})
	switch e.Type {
	case frame.TypeEdit:
		w.Mentions = append(w.Mentions, MentionRow{Shard: e.Shard, Conv: e.Conv, Seq: target, Users: p.cmd.Mentions, Replace: true})
	case frame.TypeDelete:
		w.Erase = append(w.Erase, EraseRow{Shard: e.Shard, Conv: e.Conv, Seq: target})
		if p.about != nil {
			p.conv.window.erased(p.conv.shard.group.t.key(p.about.Sender, p.about.Device, p.about.TempID))
		}
	}
}

// target is the seq of the message that the event is about, held or not.
func (p *pending) target() (seq int64, ok bool) {
	switch {
	case p.about != nil:
		return p.about.Seq, true
	case p.cmd.Unheld && p.cmd.About != (id.Message{}):
		return p.cmd.About.Seq(), true
	}
	return 0, false
}

// relate shows what e did in memory; the caller holds shard.mu.
func (c *conv) relate(p *pending, e *conversation.Event) {
	about := e.Seq
	if target, ok := p.target(); ok && !conversation.ChangesState(e.Type) {
		if about = target; p.about != nil {
			c.related++
		}
		if last := c.view.Last; last != nil && last.Seq == about {
			c.view.Last = changed(last, e)
		}
	}
	for _, u := range p.cmd.Mentions {
		for member, at := range c.pointers {
			if u == frame.MentionAll || id.User(u) == member {
				at.Mentioned = max(at.Mentioned, about)
			}
		}
	}
}

// changed is the message after an edit or a deletion. Readers may hold the old one.
func changed(last, e *conversation.Event) *conversation.Event {
	out, facts := *last, conversation.Facts{}
	if last.Facts != nil {
		facts = *last.Facts
	}
	out.Facts, facts.ChangedSeq = &facts, e.Seq
	switch e.Type {
	case frame.TypeEdit:
		facts.Edits++
		facts.Edited, facts.EditedAt = e.Content, e.HubTime
	case frame.TypeDelete:
		facts.DeletedAt, facts.DeletedBy = e.HubTime, e.Sender
		return out.Erase()
	}
	return &out
}

// Message reads a message, or another event, as u sees it. Faults: UnknownConversation, UnknownMessage, Unavailable.
func (t *Timeline) Message(ctx context.Context, c id.Conversation, u id.User, m id.Message) (View, *conversation.Event, error) {
	v, err := t.View(ctx, c)
	if err != nil {
		return v, nil, err
	}
	if _, _, ok := v.State.Visible(u, v.Head.Seq); !ok {
		return v, nil, fault.New(fault.UnknownConversation, "no such conversation")
	}
	p, err := t.Pointer(ctx, c, u)
	if err != nil {
		return v, nil, err
	}
	r := Sight(v, u, p)
	if m.Seq() < r.From || m.Seq() > r.To {
		return v, nil, fault.New(fault.UnknownMessage, "no such message")
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	r.From, r.To, r.Limit = m.Seq(), m.Seq(), 1
	events, err := t.Store.Events(ctx, v.Shard, v.Conv, r)
	if err != nil {
		return v, nil, away(err)
	}
	if len(events) == 0 || events[0].MessageID != m {
		return v, nil, fault.New(fault.UnknownMessage, "no such message")
	}
	return v, events[0], nil
}
