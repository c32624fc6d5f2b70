// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Receive moves the pointer of a member up to a message: delivered to one of the member's devices, or read. It never moves
// back. It is durable and told to others at the next receipt flush. Faults: UnknownConversation, UnknownMessage, Unavailable.
func (t *Timeline) Receive(ctx context.Context, c id.Conversation, u id.User, m id.Message, read bool) error {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return err
	}
	defer sh.release(held)
	ref, err := t.find(ctx, sh, held, u, m)
	if err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if held.log != sh.log {
		return away(errDropped)
	}
	if held.move(u, ref, read) {
		sh.moved[held] = struct{}{}
	}
	return nil
}

// find checks that u may see m and that it is the message at its seq.
func (t *Timeline) find(ctx context.Context, sh *shard, c *conv, u id.User, m id.Message) (Ref, error) {
	sh.mu.RLock()
	from, to, ok := c.view.State.Visible(u, c.view.Head.Seq)
	sh.mu.RUnlock()
	if !ok {
		return Ref{}, fault.New(fault.UnknownConversation, "no such conversation")
	}
	if m.Seq() < from || m.Seq() > to {
		return Ref{}, fault.New(fault.UnknownMessage, "no such message")
	}
	return t.entry(ctx, sh, c, m)
}

// Entry finds a message, whoever asks: the caller has judged the right to read it. Faults: UnknownConversation, UnknownMessage,
// Unavailable.
func (t *Timeline) Entry(ctx context.Context, c id.Conversation, m id.Message) (Ref, error) {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return Ref{}, err
	}
	defer sh.release(held)
	sh.mu.RLock()
	state, head := held.view.State, held.view.Head.Seq
	sh.mu.RUnlock()
	if state == nil {
		return Ref{}, fault.New(fault.UnknownConversation, "no such conversation")
	}
	if m.Seq() > head {
		return Ref{}, fault.New(fault.UnknownMessage, "no such message")
	}
	return t.entry(ctx, sh, held, m)
}

// entry checks that m is the message at its seq, which is committed.
func (t *Timeline) entry(ctx context.Context, sh *shard, c *conv, m id.Message) (Ref, error) {
	sh.mu.RLock()
	num := c.view.Conv
	ref, recent := c.ref(m.Seq())
	sh.mu.RUnlock()
	if !recent {
		ctx, cancel := context.WithTimeout(ctx, commitTimeout)
		defer cancel()
		events, err := t.Store.Events(ctx, sh.n, num, Range{From: m.Seq(), To: m.Seq(), Limit: 1})
		if err != nil {
			return Ref{}, away(err)
		}
		if len(events) == 0 {
			return Ref{}, fault.New(fault.UnknownMessage, "no such message")
		}
		ref = Ref{Seq: events[0].Seq, Count: events[0].Count, Message: events[0].MessageID, Sender: events[0].Sender}
	}
	if ref.Message != m {
		return Ref{}, fault.New(fault.UnknownMessage, "no such message")
	}
	return ref, nil
}

// move moves the pointer forward, if that is forward; the caller holds shard.mu.
func (c *conv) move(u id.User, ref Ref, read bool) bool {
	p := c.pointers[u]
	unmarked := p != nil && read && p.Prefs != nil && p.Prefs.MarkedUnread
	if unmarked {
		next := *p.Prefs
		next.MarkedUnread = false
		c.setPrefs(p, &next)
	}
	return c.advance(u, ref, read) || unmarked
}

func (c *conv) advance(u id.User, ref Ref, read bool) bool {
	p := c.pointers[u]
	if m, ok := c.view.State.Member(u); p == nil || !ok || m.Membership != conversation.Joined {
		return false
	}
	isDelivered, isRead := ref.Seq > p.Delivered, read && ref.Seq > p.Read
	if !isDelivered && !isRead {
		return false
	}
	if p.moved == nil {
		p.moved = &moved{from: p.Pointer}
	}
	if isDelivered {
		p.Delivered, p.moved.delivered = ref.Seq, &ref
	}
	if p.Prefs != nil && p.Prefs.Shown != nil && !p.Prefs.mute() {
		next := *p.Prefs
		next.Shown = nil
		p.Prefs, p.newPrefs = &next, true
	}
	if isRead {
		p.Read, p.ReadCount, p.moved.read = ref.Seq, ref.Count, &ref
	}
	return true
}

// Pointers reads the pointers of all members of a conversation, as they are in memory.
func (t *Timeline) Pointers(ctx context.Context, c id.Conversation) (map[id.User]Pointer, error) {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return nil, err
	}
	defer sh.release(held)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	out := make(map[id.User]Pointer, len(held.pointers))
	for u, p := range held.pointers {
		out[u] = p.Pointer
	}
	return out, nil
}

// Pointer reads the pointers of one member, as they are in memory.
func (t *Timeline) Pointer(ctx context.Context, c id.Conversation, u id.User) (Pointer, error) {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return Pointer{}, err
	}
	defer sh.release(held)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if p := held.pointers[u]; p != nil {
		return p.Pointer, nil
	}
	return Pointer{Delivered: -1, Read: -1}, nil
}

// Ref tells of a message that u may read who sent it. Faults: UnknownConversation, UnknownMessage, Unavailable.
func (t *Timeline) Ref(ctx context.Context, c id.Conversation, u id.User, m id.Message) (Ref, error) {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return Ref{}, err
	}
	defer sh.release(held)
	return t.find(ctx, sh, held, u, m)
}
