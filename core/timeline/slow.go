// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// slowPage and slowPages bound what is read of a log to find a member's last message.
const (
	slowPage  = 256
	slowPages = 16
)

// sent remembers, while slow mode is on, when members sent or edited last. It is the builder's.
func (c *conv) sent(e *conversation.Event, s *conversation.State) {
	switch {
	case s.Info.SlowMode == 0:
		c.sentAt = nil
	case conversation.Slow(e.Type):
		if c.sentAt == nil {
			c.sentAt = map[id.User]int64{}
		}
		c.sentAt[e.Sender] = e.HubTime
	}
}

// seedSent remembers who sent a message under slow mode among the newest entries, for those who did not give the order: they judge
// by this alone.
func (c *conv) seedSent(l *Loaded) {
	if l.State.Info.SlowMode == 0 {
		return
	}
	c.sentAt = map[id.User]int64{}
	for i, r := range l.Recent {
		if i > 0 && r.Seq > l.State.Seq && r.Count > l.Recent[i-1].Count {
			c.sentAt[r.Sender] = r.Message.Time()
		}
	}
}

// findSent looks for the sender's last message or edit before what the builder remembers: in the recent entries, then in the log. If
// it would have to read too far it takes the oldest entry it saw for the sender's: the member waits longer, not shorter.
func (t *Timeline) findSent(ctx context.Context, p *pending) error {
	if !conversation.Slow(p.cmd.Type) {
		return nil
	}
	sh, c := p.conv.shard, p.conv
	sh.mu.RLock()
	slowed := c.view.State.Slowed(p.cmd.Sender)
	since := t.now() - slowed
	if slowed == 0 || since >= c.loadedAt {
		sh.mu.RUnlock()
		return nil
	}
	at, oldest := c.recentlySent(p.cmd.Sender)
	num := c.view.Conv
	sh.mu.RUnlock()
	p.sentAt = at
	if at > 0 || oldest.Seq == 0 || oldest.Message.Time() < since {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	for range slowPages {
		events, err := t.Store.Events(ctx, sh.n, num, Range{To: oldest.Seq - 1, Limit: slowPage, Newest: true})
		if err != nil {
			return away(err)
		}
		for i := len(events) - 1; i >= 0; i-- {
			if e := events[i]; conversation.Slow(e.Type) && e.Sender == p.cmd.Sender {
				p.sentAt = e.HubTime
				return nil
			}
		}
		if len(events) < slowPage || events[0].HubTime < since {
			return nil
		}
		oldest = Ref{Seq: events[0].Seq, Message: events[0].MessageID}
	}
	p.sentAt = oldest.Message.Time()
	return nil
}

// recentlySent is the time of the user's newest recent entry if that is a message, else 0, and where the log has to be looked
// at from: that entry, or the oldest recent one, of which is not known what they are. The caller holds shard.mu.
func (c *conv) recentlySent(u id.User) (at int64, from Ref) {
	for i := len(c.recent) - 1; i > 0; i-- {
		r := c.recent[i]
		switch {
		case r.Sender == u && r.Count > c.recent[i-1].Count:
			return r.Message.Time(), Ref{}
		case r.Sender == u:
			r.Seq++ // It is looked at.
			return 0, r
		}
	}
	if len(c.recent) == 0 {
		return 0, c.afterHead()
	}
	from = c.recent[0]
	from.Seq++ // It is looked at again.
	return 0, from
}

// afterHead is the head as a Ref, one after it.
func (c *conv) afterHead() Ref {
	return Ref{Seq: c.view.Head.Seq + 1, Message: id.NewMessage(c.view.Head.Time, c.view.Head.Seq, [32]byte{})}
}
