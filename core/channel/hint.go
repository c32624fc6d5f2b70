// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// shardHead is how far a shard went and how far live subscribers were told of it.
type shardHead struct {
	committed int64
	isWaiting bool  // an audience is to be told, or is just being told
	horizon   int64 // all moves up to here were told
}

// Committed takes note of what was committed, in order of pos within a shard. Its cost does not depend on how many subscribe.
func (c *Channels) Committed(events []conversation.Committed) {
	l := &c.live
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		e := events[i].Event
		sh := &l.shards[e.Shard]
		sh.committed = max(sh.committed, e.Pos)
		if s := events[i].State; s != nil && s.Type() == event.Channel {
			l.note(e, sh)
		}
		if !sh.isWaiting {
			sh.horizon = sh.committed
		}
	}
}

// note marks the channel of e as moved, if anybody listens.
func (l *live) note(e *conversation.Event, sh *shardHead) {
	a := l.channels[e.ConversationID]
	if a == nil || a.moved > 0 {
		return
	}
	a.moved, sh.isWaiting = e.Pos, true
	l.moved[e.ConversationID] = a
	l.ring()
}

func (l *live) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Horizon is the position in shard n up to which live sessions were told how their channels moved: a cursor that covers more
// would hide a move from a client that goes away now.
func (c *Channels) Horizon(n id.Shard) int64 {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	return c.live.shards[n].horizon
}

// due is a channel whose audience is to be told now.
type due struct {
	conv     id.Conversation
	sessions []fanout.Session
}

// tell sends the hints that are due and says when to look again.
func (c *Channels) tell(ctx context.Context) time.Duration {
	now := c.now()
	list, next := c.live.collect(now, c.HintEvery)
	for _, d := range list {
		c.deliver(ctx, d)
	}
	c.live.reached()
	return next
}

// deliver gives the sessions a hint where the channel's head is now.
func (c *Channels) deliver(ctx context.Context, d due) {
	f, err := c.hint(ctx, d.conv)
	if err != nil {
		c.Log.Debug("no hint of a channel", slog.String("conversation", string(d.conv)), slog.Any("error", err))
		for _, s := range d.sessions {
			s.Lost() // They find it in the log.
		}
		return
	}
	note := &fanout.Note{Shard: d.conv.Shard(c.Shards), ConversationID: d.conv, Frame: f}
	for _, s := range d.sessions {
		s.Deliver(note)
	}
}

// collect takes out what is due, and says when the next one will be.
func (l *live) collect(now int64, every time.Duration) (list []due, next time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = every
	for conv, a := range l.moved {
		if wait := a.told + every.Milliseconds() - now; wait > 0 && wait <= every.Milliseconds() {
			next = min(next, time.Duration(wait)*time.Millisecond)
			continue
		}
		a.moved, a.told = 0, now
		delete(l.moved, conv)
		list = append(list, due{conv, l.sessions(a.users)})
	}
	return list, next
}

// reached raises the horizons once the sessions were told of all that was collected.
func (l *live) reached() {
	l.mu.Lock()
	defer l.mu.Unlock()
	low := map[id.Shard]int64{} // the lowest position that is untold
	for conv, a := range l.moved {
		n := conv.Shard(len(l.shards))
		if have, ok := low[n]; !ok || a.moved < have {
			low[n] = a.moved
		}
	}
	for n := range l.shards {
		sh := &l.shards[n]
		pos, waits := low[id.Shard(n)]
		if sh.isWaiting = waits; !waits {
			pos = sh.committed + 1
		}
		sh.horizon = max(sh.horizon, pos-1)
	}
}

// hint is the frame that tells where a channel's head is.
func (c *Channels) hint(ctx context.Context, conv id.Conversation) (*fanout.Frame, error) {
	v, err := c.Owner.View(ctx, conv)
	if err != nil {
		return nil, err
	}
	h := frame.ChannelHead{ConversationID: string(conv), HeadSeq: v.Head.Seq, LastMessageAt: v.State.Created}
	if v.Last != nil {
		h.LastMessageAt = v.Last.HubTime
	}
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return fanout.NewFrame(frame.ChannelHeadFrame, frame.AppendFrame(nil, frame.ChannelHeadFrame, data)), nil
}
