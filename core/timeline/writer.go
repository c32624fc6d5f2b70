// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// commitTimeout bounds one commit, past which the outcome is in doubt, and every other call of the store.
const commitTimeout = 10 * time.Second

// write commits one batch after another; between them, or with them, it flushes heads and receipts.
func (g *group) write(ctx context.Context) error {
	tick := time.NewTicker(g.t.ReceiptEvery)
	defer tick.Stop()
	for {
		select {
		case w := <-g.commits:
			prefs := w.prefs
			w.prefs = nil
			_ = g.commit(ctx, w) // Told to those who wait.
			g.settle(ctx, prefs)
		case w := <-g.sweeps:
			w.end(g.commit(ctx, w))
		case <-tick.C:
			g.tellLost()
			if g.hasMoved() || time.Since(g.flushedAt) >= g.t.FlushEvery {
				_ = g.commit(ctx, &work{gen: g.gen.Load(), touched: map[*shard]int64{}})
			}
		case <-ctx.Done():
			g.lastFlush()
			return nil
		}
	}
}

// lastFlush writes what is dirty when the node stops, so that the next owner has nothing to replay.
func (g *group) lastFlush() {
	g.flushedAt = time.Time{}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	_ = g.commit(ctx, &work{gen: g.gen.Load(), touched: map[*shard]int64{}})
}

// commit makes the batch durable, then visible, then answers, then sends it out. It returns what it answers.
func (g *group) commit(ctx context.Context, w *work) error {
	if w.gen != g.gen.Load() {
		w.fail(away(errDropped))
		return away(errDropped)
	}
	fl := g.collect(w)
	if w.gen != g.gen.Load() { // Dropped while collecting: the leases may be newer than the batch.
		w.fail(away(errDropped))
		return away(errDropped)
	}
	if len(w.Advance) == 0 {
		w.fail(away(errDropped)) // Nobody waits for a flush; who waits for more is not left to.
		return nil
	}
	// The node's stop must not tear a commit that is under way.
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	g.t.Fail(FailBeforeCommit)
	if err := g.store(cctx, w); err != nil {
		g.drop(err)
		w.fail(away(err))
		return away(err)
	}
	g.reveal(w, fl)
	w.hideSwept()
	if len(w.pending) > 0 {
		g.t.Fail(FailBeforeAck)
	}
	for _, p := range w.pending {
		p.finish(p.result, nil)
	}
	if len(w.pending) > 0 {
		g.t.Fail(FailBeforePush)
	}
	g.sendOut(cctx, w.out, fl.receipts)
	g.sendSwept(cctx, w)
	return nil
}

func (g *group) store(ctx context.Context, w *work) error {
	remote := g.splitIndex(w)
	if err := g.t.Store.Commit(ctx, &w.Batch); err != nil {
		return err
	}
	if len(remote) > 0 {
		if err := g.t.Store.IndexMembers(ctx, remote); err != nil {
			return fmt.Errorf("index members elsewhere: %w", err)
		}
	}
	return nil
}

// splitIndex leaves in the batch the index rows of users in the same database and returns the others.
func (g *group) splitIndex(w *work) (remote []IndexRow) {
	local := w.Index[:0:0]
	for _, r := range w.Index {
		if g.t.shards[r.User.Shard(len(g.t.shards))].group == g {
			local = append(local, r)
		} else {
			remote = append(remote, r)
		}
	}
	w.Index = local
	return remote
}

// reveal moves the committed views forward, unless the memory was dropped meanwhile: then the next owner read the commit
// from the store.
func (g *group) reveal(w *work, fl *flush) {
	for _, s := range w.seen {
		s.wait.Store(nil)
	}
	fl.done(w)
	now := g.t.now()
	for i := range w.out {
		out := &w.out[i]
		c := w.pending[i].conv
		sh := c.shard
		sh.mu.Lock()
		if c.log == sh.log {
			if w.pending[i].begin != nil {
				c.beginAt(out.Event, out.State, w.pending[i].cmd.Prefs)
			}
			c.commit(out.Event, out.State, w.pending[i].cmd.Prefs)
			c.relate(w.pending[i], out.Event)
			sh.expects(out.Event.ExpiresAt)
			out.Withheld, out.Knock = c.withheld(out.Event, out.State, now)
			out.Unseen = c.unseen(w.pending[i], out.State)
			touch(sh.recency.byPos, &c.posAt, c)
			sh.lease.Pos = out.Event.Pos
			if w.Events[i].Hot {
				c.hotAt = max(c.hotAt, out.Event.HubTime)
			}
		} else {
			g.lost.Store(true)
		}
		sh.mu.Unlock()
	}
}

// tellLost tells Out of a gap before anything behind it. Only the writer calls Out, so the order is certain.
func (g *group) tellLost() {
	if g.lost.Swap(false) {
		g.t.Out.Lost()
	}
}

func (g *group) sendOut(ctx context.Context, events []conversation.Committed, receipts []conversation.Receipt) {
	var err error
	g.tellLost()
	if len(events) > 0 {
		err = g.t.Out.Committed(ctx, events)
		g.makeRoom(ctx, events)
	}
	if err == nil && len(receipts) > 0 {
		err = g.t.Out.Receipts(ctx, receipts)
	}
	if err != nil {
		g.t.Log.Warn("live delivery is behind; sessions will catch up from the log", slog.Any("error", err))
	}
}

// drop forgets the memory of the group's shards after a doubt, and asks for the leases again.
func (g *group) drop(err error) {
	g.t.Log.Warn("dropping shard memory in doubt", slog.Int("database", g.index), slog.Any("error", err))
	g.forget()
	select {
	case g.doubt <- struct{}{}:
	default:
	}
}

func (g *group) forget() {
	for _, sh := range g.shards {
		sh.mu.Lock()
		g.gen.Add(1)
		for _, wait := range sh.loading {
			close(wait)
		}
		sh.reset(Lease{Shard: sh.n}, false)
		sh.mu.Unlock()
	}
}

// makeRoom makes the next partition of a shard's events long before it is needed.
func (g *group) makeRoom(ctx context.Context, events []conversation.Committed) {
	seen := map[id.Shard]bool{}
	for _, out := range events {
		e := out.Event
		if e.Pos&0xffff != 0 || seen[e.Shard] {
			continue
		}
		seen[e.Shard] = true
		if err := g.t.Store.EnsurePartitions(ctx, e.Shard, e.Pos); err != nil {
			g.t.Log.Warn("cannot make the next partition yet", slog.Any("error", err))
		}
	}
}
