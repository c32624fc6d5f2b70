// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"log/slog"
	"time"

	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// How the positions are gone through, and what is looked at how often.
const (
	pageRows    = 200
	watchEvery  = time.Second
	askEvery    = 5 * time.Second // whom the operator wants to be tried
	countEvery  = time.Minute
	unparkEvery = time.Hour
	parkedFor   = 24 * time.Hour
)

// page finds the next conversations of which the destination is behind, one transaction's worth, and where to go on.
func (o *Outbox) page(ctx context.Context, j job) (out []follower.Ref, next *position, err error) {
	want := replica.MaxItems
	if j.alone {
		want = 1
	}
	at := *j.scan
	for int(at.shard) < o.Store.Shards() {
		rows, owned, err := o.behind(ctx, at.shard, follower.Page{After: at.after, Server: j.server, Limit: pageRows})
		if err != nil {
			return nil, j.scan, err
		}
		for _, r := range rows {
			at.after = follower.Row{Ref: r.Ref, Since: r.Since}
			if isBehind(r) && (len(out) == 0 || out[len(out)-1] != r.Ref) {
				out = append(out, r.Ref)
			}
			if len(out) == want {
				return out, &at, nil
			}
		}
		if !owned || len(rows) < pageRows {
			at = position{shard: at.shard + 1}
		}
	}
	return out, nil, nil
}

// behind reads a page of rows of a shard, with the positions and heads that memory knows. owned is false if another node
// has the shard, which sends of it.
func (o *Outbox) behind(ctx context.Context, n id.Shard, p follower.Page) (rows []follower.Row, owned bool, err error) {
	before, err := o.Timeline.Epoch(n)
	if err != nil {
		return nil, false, nil
	}
	if rows, err = o.Store.Followers(ctx, n, p); err != nil {
		return nil, true, err
	}
	ids := make([]id.Conversation, len(rows))
	o.cursors.overlay(rows)
	for i := range rows {
		ids[i] = rows[i].ID
	}
	epoch := o.Timeline.Heads(n, ids, func(i int, v timeline.View) { rows[i].Head = max(rows[i].Head, v.Head.Seq) })
	if epoch != before { // The heads may be older than what was committed.
		o.mu.Lock()
		o.seen[n] = 0
		o.mu.Unlock()
	}
	return rows, true, nil
}

// isBehind tells whether there is something to do about a row.
func isBehind(r follower.Row) bool {
	return r.Parked == "" && (r.Until != follower.None || r.Head > r.Acked)
}

// watch looks through shards that this node took over, for destinations with something to get, and does what is due by the clock.
func (o *Outbox) watch(ctx context.Context) error {
	var asked, counted, unparked time.Time
	since := o.Now().UnixMilli() - askEvery.Milliseconds()
	for ok := true; ok; ok = sleep(ctx, watchEvery) {
		o.lookThrough(ctx)
		now := o.Now()
		if now.Sub(asked) >= askEvery {
			asked = now
			since = o.askRetries(ctx, since)
		}
		if now.Sub(counted) >= countEvery {
			counted = now
			if n, err := o.Store.CountParked(ctx); err == nil {
				o.metrics.parked.Set(float64(n))
			}
		}
		if now.Sub(unparked) >= unparkEvery {
			unparked = now
			o.unpark(ctx, now.Add(-parkedFor))
		}
	}
	o.flush(ctx)
	return nil
}

// lookThrough finds the shards whose lease is another than when they were looked through last.
func (o *Outbox) lookThrough(ctx context.Context) {
	for n := range id.Shard(o.Store.Shards()) {
		epoch, err := o.Timeline.Epoch(n)
		if err != nil {
			continue
		}
		o.mu.Lock()
		known := o.seen[n] == epoch
		o.seen[n] = epoch
		o.mu.Unlock()
		if known {
			continue
		}
		if err := o.lookInto(ctx, n); err != nil {
			o.mu.Lock()
			o.seen[n] = 0
			o.mu.Unlock()
			if ctx.Err() == nil {
				o.Log.Warn("followers of a shard not read; tried again in a second", slog.Int("shard", int(n)), slog.Any("error", err))
			}
			return
		}
	}
}

// lookInto finds the destinations that are behind in a shard.
func (o *Outbox) lookInto(ctx context.Context, n id.Shard) error {
	o.cursors.forget(func(k key) bool { return k.shard == n }) // Another node may have moved them.
	p := follower.Page{Limit: pageRows}
	for {
		rows, owned, err := o.behind(ctx, n, p)
		if err != nil || !owned {
			return err
		}
		for _, r := range rows {
			if p.After = r; isBehind(r) {
				o.look(r.Server)
			}
		}
		if len(rows) < pageRows {
			return nil
		}
	}
}

// look wants a destination's positions to be gone through.
func (o *Outbox) look(server id.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.destination(server)
	d.look()
	o.place(d)
}

func (o *Outbox) askRetries(ctx context.Context, since int64) int64 {
	servers, newest, err := o.Store.Retries(ctx, since)
	if err != nil {
		return since
	}
	for _, server := range servers {
		o.Log.Info("the operator wants a server to be tried", slog.String("server", string(server)))
		o.Retry(server)
	}
	return newest
}

// unpark frees what was parked before a time.
func (o *Outbox) unpark(ctx context.Context, before time.Time) {
	for n := range id.Shard(o.Store.Shards()) {
		if _, err := o.Timeline.Epoch(n); err != nil {
			continue
		}
		servers, err := o.Store.Unpark(ctx, n, before.UnixMilli(), "", 0)
		if err != nil {
			o.Log.Warn("parked items not freed; tried again in an hour", slog.Any("error", err))
			return
		}
		for _, server := range servers {
			o.cursors.forget(func(k key) bool { return k.shard == n && k.server == server })
			o.look(server)
		}
	}
}
