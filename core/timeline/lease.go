// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

const (
	// complainEvery is the pause between two lines in the log while shards are not owned.
	complainEvery = 10 * time.Second
	// acquireEvery is the pause between tries to take leases that are held elsewhere or whose database is away.
	acquireEvery = 200 * time.Millisecond
	// acquireAtOnce bounds the shards taken in one go, so that replaying them does not outlast their leases.
	acquireAtOnce = 16
	// replayAtOnce bounds the conversations read at the same time when a shard is taken.
	replayAtOnce = 6
)

// keepLeases takes the leases of the group's shards, renews them, and takes them again after a doubt.
func (g *group) keepLeases(ctx context.Context) error {
	for ctx.Err() == nil {
		g.complain(ctx, g.acquire(ctx))
		pause := g.t.LeaseTTL / 3
		if len(g.missing()) > 0 || time.Since(g.renewedAt) > g.t.LeaseTTL/2 {
			pause = min(pause, acquireEvery)
		}
		select {
		case <-ctx.Done():
		case <-g.doubt:
		case <-time.After(pause):
		}
		g.renew(ctx)
	}
	return nil
}

// complain tells the operator why shards are not owned, once in a while.
func (g *group) complain(ctx context.Context, err error) {
	missing := len(g.missing())
	if missing == 0 || ctx.Err() != nil {
		g.complainedAt = time.Time{}
		return
	}
	if time.Since(g.complainedAt) < complainEvery {
		return
	}
	g.complainedAt = time.Now()
	if err != nil {
		g.t.Log.Warn("cannot take shard leases yet", slog.Int("database", g.index), slog.Any("error", err))
		return
	}
	g.t.Log.Warn("shards are held by another node; waiting for them", slog.Int("database", g.index), slog.Int("shards", missing))
}

// missing lists the shards that are not owned.
func (g *group) missing() []id.Shard {
	var out []id.Shard
	for _, sh := range g.shards {
		sh.mu.RLock()
		if !sh.owned {
			out = append(out, sh.n)
		}
		sh.mu.RUnlock()
	}
	return out
}

// acquire takes the leases that are free.
func (g *group) acquire(ctx context.Context) error {
	for part := range slices.Chunk(g.missing(), acquireAtOnce) {
		start := time.Now()
		actx, cancel := context.WithTimeout(ctx, commitTimeout)
		leases, err := g.t.Store.Acquire(actx, g.t.Node, part, g.t.LeaseTTL)
		cancel()
		if err != nil {
			return err
		}
		for _, l := range leases {
			if err := g.own(ctx, l, start.Add(g.t.LeaseTTL)); err != nil {
				return err
			}
		}
		if len(leases) > 0 {
			g.t.Log.Info("shard leases taken", slog.Int("database", g.index), slog.Int("shards", len(leases)))
		}
		g.renew(ctx)
	}
	return nil
}

// own makes an acquired shard ours: what its last owner had not flushed is loaded first.
func (g *group) own(ctx context.Context, l Lease, until time.Time) error {
	gen := g.gen.Load()
	loaded, err := g.replay(ctx, l)
	if err != nil {
		return err
	}
	if err := g.t.Store.EnsurePartitions(ctx, l.Shard, l.Pos); err != nil {
		return err
	}
	sh := g.t.shards[l.Shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if g.gen.Load() != gen {
		return errDropped
	}
	g.lost.Store(true)
	sh.reset(l, true)
	sh.until = until
	for c, data := range loaded {
		sh.convs[c] = newConv(sh, c, data, gen)
		sh.convs[c].dirty = true
	}
	sh.recency.replayed(sh.convs)
	return nil
}

// replay loads the conversations whose heads were not flushed and writes the index of their users again.
func (g *group) replay(ctx context.Context, l Lease) (map[id.Conversation]*Loaded, error) {
	if l.Flushed >= l.Pos {
		return nil, nil
	}
	dirty, err := g.t.Store.Unflushed(ctx, l)
	if err != nil {
		return nil, err
	}
	list, index := make([]*Loaded, len(dirty)), make([][]IndexRow, len(dirty))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(replayAtOnce)
	for i, c := range dirty {
		eg.Go(func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, commitTimeout)
			defer cancel()
			list[i], err = g.t.Store.LoadConversation(ctx, l.Shard, c, g.t.now()-dedupLife.Milliseconds(), g.t.ColdWindow)
			if err == nil {
				index[i], err = g.indexRows(ctx, l, c, list[i])
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	out := make(map[id.Conversation]*Loaded, len(dirty))
	for i, c := range dirty {
		out[c] = list[i]
	}
	rows := slices.Concat(index...)
	if len(rows) == 0 {
		return out, nil
	}
	ictx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	return out, g.t.Store.IndexMembers(ictx, rows)
}

// indexRows are those of the members whose membership changed after what was flushed.
func (g *group) indexRows(ctx context.Context, l Lease, c id.Conversation, data *Loaded) ([]IndexRow, error) {
	at := data.State.Seq
	last, err := g.t.Store.Events(ctx, l.Shard, data.Conv, Range{From: at, To: at, AfterPos: l.Flushed, Limit: 1})
	if err != nil || len(last) == 0 {
		return nil, err
	}
	events, err := g.t.Store.Events(ctx, l.Shard, data.Conv, Range{To: at, AfterPos: l.Flushed, Limit: int(at) + 1})
	if err != nil {
		return nil, err
	}
	bySeq := make(map[int64]*conversation.Event, len(events))
	for _, e := range events {
		bySeq[e.Seq] = e
	}
	var out []IndexRow
	for u, m := range data.State.Members {
		changed := max(m.JoinedSeq, data.Base)
		if m.LeftSeq >= 0 {
			changed = m.LeftSeq
		}
		if e := bySeq[changed]; e != nil {
			out = append(out, IndexRow{User: u, Conversation: c, Membership: m.Membership, ChangedPos: e.Pos, ChangedAt: e.HubTime})
		}
	}
	return out, nil
}

// renew prolongs the leases that are held, when it is time. If one was lost, or could not be renewed until it ran out, the
// shards are forgotten.
func (g *group) renew(ctx context.Context) {
	start := time.Now()
	if start.Sub(g.renewedAt) < g.t.LeaseTTL/4 || ctx.Err() != nil {
		return
	}
	var held []Lease
	expired := false
	for _, sh := range g.shards {
		sh.mu.RLock()
		if sh.owned {
			held = append(held, sh.lease)
			expired = expired || !sh.holds(start)
		}
		sh.mu.RUnlock()
	}
	if len(held) == 0 {
		return
	}
	rctx, cancel := context.WithTimeout(ctx, g.t.LeaseTTL/4)
	defer cancel()
	gen := g.gen.Load()
	err := g.t.Store.Renew(rctx, g.t.Node, held, g.t.LeaseTTL)
	if err == nil {
		g.renewed(held, start, gen)
		return
	}
	if ctx.Err() != nil {
		return
	}
	g.t.Log.Warn("cannot renew shard leases", slog.Int("database", g.index), slog.Any("error", err))
	if errors.Is(err, ErrStale) || expired {
		g.forget()
	}
}

func (g *group) renewed(held []Lease, start time.Time, gen uint64) {
	g.renewedAt = start
	for _, l := range held {
		sh := g.t.shards[l.Shard]
		sh.mu.Lock()
		if sh.owned && g.gen.Load() == gen && sh.lease.Epoch == l.Epoch {
			sh.until = start.Add(g.t.LeaseTTL)
		}
		sh.mu.Unlock()
	}
}
