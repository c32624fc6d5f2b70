// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley.chat/protocol/id"
)

// acquireEvery is the pause between tries to take leases that are held elsewhere or whose database is away.
const acquireEvery = 200 * time.Millisecond

// keepLeases takes the leases of the group's shards, renews them, and takes them again after a doubt.
func (g *group) keepLeases(ctx context.Context) error {
	renewed := time.Now()
	for ctx.Err() == nil {
		if g.acquire(ctx) {
			renewed = time.Now()
		}
		pause := g.t.LeaseTTL / 3
		if !g.ownsAll() {
			pause = acquireEvery
		}
		select {
		case <-ctx.Done():
		case <-g.doubt:
		case <-time.After(pause):
			renewed = g.renew(ctx, renewed)
		}
	}
	return nil
}

func (g *group) ownsAll() bool {
	for _, sh := range g.shards {
		if !sh.isOwned() {
			return false
		}
	}
	return true
}

// acquire takes the leases that are free and tells whether all went well.
func (g *group) acquire(ctx context.Context) bool {
	var missing []id.Shard
	for _, sh := range g.shards {
		if !sh.isOwned() {
			missing = append(missing, sh.n)
		}
	}
	if len(missing) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	leases, err := g.t.Store.Acquire(ctx, g.t.Node, missing, g.t.LeaseTTL)
	if err == nil {
		err = g.own(ctx, leases)
	}
	if err != nil {
		g.t.Log.Warn("cannot take shard leases yet", slog.Int("database", g.index), slog.Any("error", err))
		return false
	}
	return true
}

// own makes acquired shards ours: what their last owner had not flushed is loaded first.
func (g *group) own(ctx context.Context, leases []Lease) error {
	for _, l := range leases {
		dirty, err := g.t.Store.Unflushed(ctx, l)
		if err != nil {
			return err
		}
		loaded, err := g.replay(ctx, l, dirty)
		if err != nil {
			return err
		}
		sh := g.t.shards[l.Shard]
		sh.mu.Lock()
		sh.reset(l, true)
		for c, data := range loaded {
			sh.convs[c] = newConv(sh, c, data, g.gen.Load(), time.Now())
			sh.convs[c].dirty = true
			if w := sh.convs[c].window; w.lastHot > 0 || w.full() {
				sh.hot[c] = max(w.lastHot, 1)
			}
		}
		sh.mu.Unlock()
		if err := g.t.Store.EnsurePartitions(ctx, l.Shard, l.Pos); err != nil {
			return err
		}
	}
	if len(leases) > 0 {
		g.t.Out.Lost()
		g.t.Log.Info("shard leases taken", slog.Int("database", g.index), slog.Int("shards", len(leases)))
	}
	return nil
}

// replay loads the conversations whose heads were not flushed and writes the index of their users again.
func (g *group) replay(ctx context.Context, l Lease, dirty []id.Conversation) (map[id.Conversation]*Loaded, error) {
	out := make(map[id.Conversation]*Loaded, len(dirty))
	var index []IndexRow
	for _, c := range dirty {
		data, err := g.t.Store.LoadConversation(ctx, l.Shard, c, g.t.now()-dedupLife.Milliseconds(), coldWindow)
		if err != nil {
			return nil, err
		}
		out[c] = data
		if data.State.Seq > 0 || data.Head.Pos > l.Flushed {
			index = append(index, indexRows(c, data)...)
		}
	}
	return out, g.t.Store.IndexMembers(ctx, index)
}

func indexRows(c id.Conversation, data *Loaded) []IndexRow {
	var out []IndexRow
	for u, m := range data.State.Members {
		out = append(out, IndexRow{User: u, Conversation: c, Membership: m.Membership, ChangedPos: data.Conv})
	}
	return out
}

// renew prolongs the leases that are held; once that failed for a whole TTL, or they are lost, the shards are forgotten.
func (g *group) renew(ctx context.Context, last time.Time) time.Time {
	var held []Lease
	for _, sh := range g.shards {
		sh.mu.RLock()
		if sh.owned {
			held = append(held, sh.lease)
		}
		sh.mu.RUnlock()
	}
	if len(held) == 0 {
		return last
	}
	rctx, cancel := context.WithTimeout(ctx, g.t.LeaseTTL/3)
	defer cancel()
	err := g.t.Store.Renew(rctx, g.t.Node, held, g.t.LeaseTTL)
	if err == nil {
		return time.Now()
	}
	g.t.Log.Warn("cannot renew shard leases", slog.Int("database", g.index), slog.Any("error", err))
	if errors.Is(err, ErrStale) || time.Now().Sub(last) > g.t.LeaseTTL {
		g.forget()
	}
	return last
}
