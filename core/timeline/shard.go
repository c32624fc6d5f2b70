// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// shard is a logical shard as its owner holds it.
type shard struct {
	n     id.Shard
	group *group

	mu      sync.RWMutex
	log     *position
	owned   bool
	lease   Lease // Pos and Mark are the committed ones
	convs   map[id.Conversation]*conv
	loading map[id.Conversation]chan struct{}
	hot     map[id.Conversation]int64 // newest hot event of those conversations, hub time
	moved   map[*conv]struct{}        // with receipts to flush
}

// position is the last one given out under one lease. It belongs to the builder; a new lease gets a new one.
type position struct{ next int64 }

func newShard(n id.Shard, g *group) *shard {
	sh := &shard{n: n, group: g}
	sh.reset(Lease{Shard: n}, false)
	return sh
}

// reset forgets everything; the caller holds mu or is alone.
func (sh *shard) reset(l Lease, owned bool) {
	sh.owned, sh.lease, sh.log = owned, l, &position{next: l.Pos}
	sh.convs = map[id.Conversation]*conv{}
	sh.loading = map[id.Conversation]chan struct{}{}
	sh.hot = map[id.Conversation]int64{}
	sh.moved = map[*conv]struct{}{}
}

func (sh *shard) isOwned() bool {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.owned
}

// Position is the committed end of a shard: everything at or before it may be shown.
type Position struct{ Pos, Mark int64 }

// Position tells the committed end of shard n. It fails with Unavailable while the shard is not owned here.
func (t *Timeline) Position(n id.Shard) (Position, error) {
	sh := t.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if !sh.owned {
		return Position{}, away(errNotOwned)
	}
	return Position{Pos: sh.lease.Pos, Mark: sh.lease.Mark}, nil
}

var (
	errNotOwned = errors.New("timeline: shard not owned by this node now")
	errDropped  = errors.New("timeline: memory dropped in doubt")
)

// hold finds or loads a conversation and keeps it from eviction until release.
func (t *Timeline) hold(ctx context.Context, sh *shard, c id.Conversation) (*conv, error) {
	for {
		have, wait, err := sh.lookup(c, time.Now())
		if err != nil || have != nil {
			return have, err
		}
		if wait != nil {
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, away(ctx.Err())
			}
		}
		if err := t.load(ctx, sh, c); err != nil {
			return nil, err
		}
	}
}

// lookup returns the conversation, or a channel to wait on, or neither: then the caller is the one to load it.
func (sh *shard) lookup(c id.Conversation, now time.Time) (*conv, chan struct{}, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.owned {
		return nil, nil, away(errNotOwned)
	}
	if have := sh.convs[c]; have != nil {
		have.pending++
		have.used = now
		return have, nil, nil
	}
	if wait := sh.loading[c]; wait != nil {
		return nil, wait, nil
	}
	sh.loading[c] = make(chan struct{})
	return nil, nil, nil
}

func (t *Timeline) load(ctx context.Context, sh *shard, c id.Conversation) error {
	gen := sh.group.gen.Load()
	l, err := t.Store.LoadConversation(ctx, sh.n, c, t.now()-dedupLife.Milliseconds(), coldWindow)
	if errors.Is(err, ErrNoConversation) {
		l, err = nil, nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if wait := sh.loading[c]; wait != nil {
		delete(sh.loading, c)
		close(wait)
	}
	if err != nil {
		return away(err)
	}
	if !sh.owned || sh.group.gen.Load() != gen {
		return nil // The caller looks again and finds what is true now.
	}
	sh.convs[c] = newConv(sh, c, l, gen, time.Now())
	if w := sh.convs[c].window; w.lastHot > 0 || w.full() {
		sh.hot[c] = max(w.lastHot, 1)
	}
	sh.evict(t.MaxConversations, time.Now())
	return nil
}

func (sh *shard) release(c *conv) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c.pending--
}

// evict makes room when more than limit conversations are held. One flushed less than a minute ago stays, so that a reader
// who saw its row in the store before the flush still finds it here.
func (sh *shard) evict(limit int, now time.Time) {
	if len(sh.convs) <= limit {
		return
	}
	for key, c := range sh.convs {
		if c.pending == 0 && !c.dirty && !c.hasMoved() && now.Sub(c.flushed) > time.Minute && now.Sub(c.used) > time.Minute {
			delete(sh.convs, key)
			if len(sh.convs) <= limit*7/8 {
				return
			}
		}
	}
}

func (c *conv) hasMoved() bool {
	for _, p := range c.pointers {
		if p.dirty || p.moved != nil {
			return true
		}
	}
	return false
}

// View reads a conversation as committed. A conversation that does not exist is a fault UnknownConversation.
func (t *Timeline) View(ctx context.Context, c id.Conversation) (View, error) {
	sh := t.shardOf(c)
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return View{}, err
	}
	defer sh.release(held)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if held.view.State == nil {
		return View{}, fault.New(fault.UnknownConversation, "no such conversation")
	}
	v := held.view
	v.Mark = held.mark
	return v, nil
}

// Heads overlays what memory knows on heads read from the store: for each conversation held here, f is called with its
// committed view. It costs no I/O.
func (t *Timeline) Heads(n id.Shard, convs []id.Conversation, f func(int, View)) {
	sh := t.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for i, c := range convs {
		if held := sh.convs[c]; held != nil && held.view.State != nil {
			v := held.view
			v.Mark = held.mark
			f(i, v)
		}
	}
}
