// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"log/slog"
	"math"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// sweepSize bounds the expired events erased in one commit, sweepPause is left to senders between two of them.
const (
	sweepSize  = 500
	sweepPause = 100 * time.Millisecond
)

// swept is an expired event on its way out, with its conversation, which is held until it is done.
type swept struct {
	Expiring
	conv *conv
	by   id.User // the author who erases it; empty if it expired
}

// sweep erases what expired. It finds it; the writer erases it, between two batches.
func (g *group) sweep(ctx context.Context) error {
	tick := time.NewTicker(g.t.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for _, sh := range g.shards {
			for more := true; more && ctx.Err() == nil; {
				var err error
				if more, err = g.sweepShard(ctx, sh); err != nil {
					sh.expectNow()
					g.t.Log.Debug("cannot erase expired messages yet", slog.Int("shard", int(sh.n)), slog.Any("error", err))
				}
				if more {
					g.pause(ctx, sweepPause)
				}
			}
		}
	}
}

func (g *group) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// sweepShard erases one batch; more tells that there is another at once.
func (g *group) sweepShard(ctx context.Context, sh *shard) (more bool, err error) {
	now, gen := g.t.now(), g.gen.Load()
	if !sh.due(now) {
		return false, nil
	}
	found, err := g.t.Store.Expired(ctx, sh.n, sweepSize+1)
	if err != nil {
		return false, err
	}
	w := &work{gen: gen, touched: map[*shard]int64{}}
	defer func() {
		for _, s := range w.swept {
			sh.release(s.conv)
		}
	}()
	for _, e := range found {
		if e.ExpiresAt > now {
			sh.expectsAt(e.ExpiresAt)
			break
		}
		if more = len(w.swept) == sweepSize; more {
			sh.expectNow()
			break
		}
		c, err := g.t.hold(ctx, sh, e.ConversationID)
		if err != nil {
			return false, err
		}
		w.swept = append(w.swept, swept{Expiring: e, conv: c})
		w.Erase = append(w.Erase, EraseRow{Shard: sh.n, Conv: e.Conv, Seq: e.message()})
	}
	return more, g.erase(ctx, w)
}

// erase hands the batch to the writer and waits until it is done.
func (g *group) erase(ctx context.Context, w *work) error {
	if len(w.swept) == 0 {
		return nil
	}
	w.done = make(chan error, 1)
	select {
	case g.sweeps <- w:
		return <-w.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// message is the seq of the message that expires, whose edits go with it.
func (e Expiring) message() int64 {
	if e.Type != frame.TypeEdit {
		return e.Seq
	}
	edit, err := event.ParseRelation(e.Edit)
	if err != nil {
		return e.Seq
	}
	m, err := id.ParseMessage(edit.TargetMessageID)
	if err != nil {
		return e.Seq
	}
	return m.Seq()
}

// expects notes that something expires at a time, 0 if never; the caller does not hold mu.
func (sh *shard) expectsAt(at int64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.expects(at)
}

// expects is expectsAt for a caller that holds mu.
func (sh *shard) expects(at int64) {
	if at != 0 {
		sh.expires = min(sh.expires, at)
	}
}

// due tells whether something may have expired in a shard that is owned. From then on nothing is expected, until expects.
func (sh *shard) due(now int64) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.owned || sh.expires > now {
		return false
	}
	sh.expires = math.MaxInt64
	return true
}

func (sh *shard) expectNow() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.expires = 0
}

// sweeping are the shards whose expired messages are in the batch.
func (w *work) sweeping() map[*shard]bool {
	if len(w.swept) == 0 {
		return nil
	}
	return map[*shard]bool{w.swept[0].conv.shard: true}
}

// hideSwept takes the content out of previews.
func (w *work) hideSwept() {
	for _, s := range w.swept {
		sh := s.conv.shard
		sh.mu.Lock()
		if last := s.conv.view.Last; last != nil && last.Seq == s.message() {
			s.conv.view.Last = s.tombstone(last)
		}
		sh.mu.Unlock()
	}
}

// sendSwept tells the members' devices, one conversation at a time.
func (g *group) sendSwept(ctx context.Context, w *work) {
	at := map[*conv]int{}
	var out []conversation.Erased
	for _, s := range w.swept {
		if s.Type != frame.TypeMessage {
			continue
		}
		i, have := at[s.conv]
		if !have {
			i = len(out)
			at[s.conv] = i
			out = append(out, conversation.Erased{ConversationID: s.conv.id, At: g.t.now(), By: s.by, To: s.conv.joined()})
		}
		out[i].Messages = append(out[i].Messages, s.Message)
	}
	if len(out) == 0 {
		return
	}
	if err := g.t.Out.Erased(ctx, out); err != nil {
		g.t.Log.Debug("expired messages not told; clients know when they expire", slog.Any("error", err))
	}
}

// joined are the members.
func (c *conv) joined() (out []id.User) {
	c.shard.mu.RLock()
	defer c.shard.mu.RUnlock()
	for u, m := range c.view.State.Members {
		if m.Membership == conversation.Joined {
			out = append(out, u)
		}
	}
	return out
}
