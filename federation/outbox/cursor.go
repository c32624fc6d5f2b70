// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// Bounds of the positions in memory, of those that are not written, and of how long they stay so.
const (
	maxCursors = 16384
	maxDirty   = 4096
	flushEvery = time.Second
	flushTime  = 10 * time.Second
)

// cursors remembers positions lately used, and those that are to be written.
type cursors struct {
	mu    sync.Mutex
	rows  map[key]cursor
	dirty map[key]bool
}

// key names the positions of a server in one conversation.
type key struct {
	place
	server id.Server
}

func keyOf(r follower.Row) key { return key{place{r.Shard, r.Conv}, r.Server} }

// cursor are the rows of a server in one conversation, in order of Since. They are whole as of a change of the conversation's state:
// only such a change makes rows, or ends them.
type cursor struct {
	rows  []follower.Row
	state int64
}

// get returns the rows; ok is false if they are not known as of a change of the state.
func (c *cursors) get(k key, state int64) (rows []follower.Row, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur, ok := c.rows[k]
	return cur.rows, ok && cur.state >= state
}

// learn takes in the rows of one key as they were read. What is known of their positions is newer.
func (c *cursors) learn(k key, rows []follower.Row, state int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rows {
		overlay(&rows[i], c.rows[k].rows)
		state = max(state, rows[i].State)
	}
	if len(c.rows) >= maxCursors {
		c.evict()
	}
	c.rows[k] = cursor{rows: rows, state: state}
}

// overlay gives a row the position that is known.
func overlay(r *follower.Row, known []follower.Row) {
	for _, have := range known {
		if have.Since == r.Since {
			r.Acked, r.Parked, r.ParkedAt = have.Acked, have.Parked, have.ParkedAt
		}
	}
}

// overlay gives rows the positions that are known.
func (c *cursors) overlay(rows []follower.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rows {
		overlay(&rows[i], c.rows[keyOf(rows[i])].rows)
	}
}

// move notes a position that is to be written.
func (c *cursors) move(r follower.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := keyOf(r)
	cur, ok := c.rows[k]
	if !ok {
		return
	}
	cur.rows = slices.Clone(cur.rows)
	for i := range cur.rows {
		overlay(&cur.rows[i], []follower.Row{r})
	}
	c.rows[k], c.dirty[k] = cur, true
}

// drop forgets one row.
func (c *cursors) drop(r follower.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur, ok := c.rows[keyOf(r)]
	if !ok {
		return
	}
	cur.rows = slices.DeleteFunc(slices.Clone(cur.rows), func(have follower.Row) bool { return have.Since == r.Since })
	c.rows[keyOf(r)] = cur
}

// evict makes room for some more; the caller holds mu.
func (c *cursors) evict() {
	for k := range c.rows {
		if !c.dirty[k] {
			delete(c.rows, k)
		}
		if len(c.rows) <= maxCursors*7/8 {
			return
		}
	}
}

// forget forgets rows, also those that are not written.
func (c *cursors) forget(which func(key) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.rows {
		if which(k) {
			delete(c.rows, k)
			delete(c.dirty, k)
		}
	}
}

// unwritten takes rows that are to be written.
func (c *cursors) unwritten() []follower.Row {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []follower.Row
	for k := range c.dirty {
		out = append(out, c.rows[k].rows...)
		delete(c.dirty, k)
		if len(out) >= maxDirty {
			break
		}
	}
	return out
}

// again notes rows that could not be written.
func (c *cursors) again(rows []follower.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range rows {
		if _, ok := c.rows[keyOf(r)]; ok {
			c.dirty[keyOf(r)] = true
		}
	}
}

func (c *cursors) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.dirty) >= maxDirty
}

// keepCursors writes positions from time to time, and at the end.
func (o *Outbox) keepCursors(ctx context.Context) error {
	for sleep(ctx, flushEvery) {
		o.flush(ctx)
	}
	return nil
}

// flush writes the positions that moved.
func (o *Outbox) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	for rows := o.cursors.unwritten(); rows != nil; rows = o.cursors.unwritten() {
		if err := o.Store.MoveCursors(ctx, rows); err != nil {
			o.cursors.again(rows)
			o.Log.Warn("where followers are is not written; tried again", slog.Any("error", err))
			return
		}
	}
}

// fetch reads the rows of a server in those of the conversations of which nothing is known.
func (o *Outbox) fetch(ctx context.Context, server id.Server, refs []follower.Ref) error {
	missing := map[id.Shard][]int64{}
	for _, ref := range refs {
		if _, ok := o.cursors.get(key{place{ref.Shard, ref.Conv}, server}, -1); !ok {
			missing[ref.Shard] = append(missing[ref.Shard], ref.Conv)
		}
	}
	for n, convs := range missing {
		list, err := o.Store.Cursors(ctx, n, server, convs)
		if err != nil {
			return err
		}
		for len(list) > 0 {
			first := list[0].Conv
			end := slices.IndexFunc(list, func(r follower.Row) bool { return r.Conv != first })
			if end < 0 {
				end = len(list)
			}
			o.cursors.learn(keyOf(list[0]), list[:end:end], 0)
			list = list[end:]
		}
	}
	return nil
}

// rows are those of a server in a conversation, as of the view at least; none if it does not follow it.
func (o *Outbox) rows(ctx context.Context, v timeline.View, server id.Server) ([]follower.Row, error) {
	k := key{place{v.Shard, v.Conv}, server}
	if rows, ok := o.cursors.get(k, v.State.Seq); ok {
		return rows, nil
	}
	list, err := o.Store.Cursors(ctx, v.Shard, server, []int64{v.Conv})
	if err != nil {
		return nil, err
	}
	o.cursors.learn(k, list, v.State.Seq)
	rows, _ := o.cursors.get(k, -1)
	return rows, nil
}
