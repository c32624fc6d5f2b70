// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley.chat/core/follower"
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
	rows  map[key]follower.Row
	dirty map[key]bool
}

// key names one position.
type key struct {
	place
	server id.Server
}

func keyOf(r follower.Row) key { return key{place{r.Shard, r.Conv}, r.Server} }

func (c *cursors) get(k key) (follower.Row, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.rows[k]
	return r, ok
}

// put remembers a row; one that was only read does not replace what is known already.
func (c *cursors) put(r follower.Row, dirty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := keyOf(r)
	if _, known := c.rows[k]; known && !dirty {
		return
	}
	if len(c.rows) >= maxCursors {
		c.evict()
	}
	c.rows[k] = r
	if dirty {
		c.dirty[k] = true
	}
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

// drop forgets one row.
func (c *cursors) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rows, k)
	delete(c.dirty, k)
}

// unwritten takes rows that are to be written.
func (c *cursors) unwritten() []follower.Row {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []follower.Row
	for k := range c.dirty {
		out = append(out, c.rows[k])
		delete(c.dirty, k)
		if len(out) == maxDirty {
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

// known adds the positions of a server in some conversations; those that it does not follow are left out.
func (o *Outbox) known(ctx context.Context, server id.Server, refs []follower.Ref) ([]follower.Row, error) {
	missing := map[id.Shard][]int64{}
	for _, ref := range refs {
		if _, ok := o.cursors.get(key{place{ref.Shard, ref.Conv}, server}); !ok {
			missing[ref.Shard] = append(missing[ref.Shard], ref.Conv)
		}
	}
	for n, convs := range missing {
		rows, err := o.Store.Cursors(ctx, n, server, convs)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			o.cursors.put(r, false)
		}
	}
	out := make([]follower.Row, 0, len(refs))
	for _, ref := range refs {
		if r, ok := o.cursors.get(key{place{ref.Shard, ref.Conv}, server}); ok {
			out = append(out, r)
		}
	}
	return out, nil
}
