// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Reach moves the pointers of a joined member of another server as far as that server says, as Receive does for one of this
// server: never back, and not past what is committed here. -1 leaves a pointer. behind tells that the member is further than the
// log is here. The caller has checked who says so. Faults: UnknownConversation, NotMember, Unavailable.
func (t *Timeline) Reach(ctx context.Context, c id.Conversation, u id.User, delivered, read int64) (behind bool, err error) {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return false, err
	}
	defer sh.release(held)
	from, to, now, err := held.reachable(u)
	if err != nil {
		return false, err
	}
	delivered = max(delivered, read)
	behind = delivered > to
	delivered, read = min(delivered, to), min(read, to)
	if delivered < from || delivered <= now.Delivered && read <= now.Read {
		return behind, nil
	}
	d, err := t.refOf(ctx, sh, held, delivered)
	if err != nil {
		return behind, err
	}
	r := d
	if read != delivered && read >= from {
		if r, err = t.refOf(ctx, sh, held, read); err != nil {
			return behind, err
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if held.log != sh.log {
		return behind, away(errDropped)
	}
	moved := held.move(u, d, false)
	if read >= from {
		moved = held.move(u, r, true) || moved
	}
	if moved {
		sh.moved[held] = struct{}{}
	}
	return behind, nil
}

// reachable is the range in which the member's pointers move, and where they are.
func (c *conv) reachable(u id.User) (from, to int64, now Pointer, err error) {
	c.shard.mu.RLock()
	defer c.shard.mu.RUnlock()
	if c.view.State == nil {
		return 0, 0, now, fault.New(fault.UnknownConversation, "no such conversation")
	}
	m, ok := c.view.State.Member(u)
	p := c.pointers[u]
	if !ok || m.Membership != conversation.Joined || p == nil {
		return 0, 0, now, fault.New(fault.NotMember, "%s is not a member of this conversation", u)
	}
	from, to, _ = c.view.State.Visible(u, c.view.Head.Seq)
	return from, to, p.Pointer, nil
}

// refOf is the committed entry at a seq.
func (t *Timeline) refOf(ctx context.Context, sh *shard, c *conv, seq int64) (Ref, error) {
	sh.mu.RLock()
	num := c.view.Conv
	ref, recent := c.ref(seq)
	sh.mu.RUnlock()
	if recent {
		return ref, nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	events, err := t.Store.Events(ctx, sh.n, num, Range{From: seq, To: seq, Limit: 1})
	if err != nil {
		return Ref{}, away(err)
	}
	if len(events) == 0 { // A replica begins later.
		return Ref{}, fault.New(fault.UnknownMessage, "no such message")
	}
	return Ref{Seq: events[0].Seq, Count: events[0].Count, Message: events[0].MessageID, Sender: events[0].Sender}, nil
}
