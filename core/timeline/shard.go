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
	until   time.Time // the lease holds so long, by this node's clock
	lease   Lease     // Pos and Mark are the committed ones
	convs   map[id.Conversation]*conv
	loading map[id.Conversation]chan struct{}
	moved   map[*conv]struct{} // with receipts to flush
	evicted time.Time          // when eviction was tried last
	recency recency
	expires int64 // hub time before which nothing expires
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
	sh.moved = map[*conv]struct{}{}
	sh.expires = 0
	sh.recency = newRecency(Position{Pos: l.Flushed, Mark: l.Mark})
}

func (sh *shard) isOwned() bool {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.holds(time.Now())
}

// holds tells whether memory is the truth now: the lease is ours and cannot have been taken over. Writing needs no such
// care, because the store checks the epoch. The caller holds mu.
func (sh *shard) holds(now time.Time) bool { return sh.owned && now.Before(sh.until) }

// Position is the committed end of a shard: everything at or before it may be shown.
type Position struct{ Pos, Mark int64 }

// Position tells the committed end of shard n. It fails with Unavailable while the shard is not owned here.
func (t *Timeline) Position(n id.Shard) (Position, error) {
	sh := t.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if !sh.holds(time.Now()) {
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
		have, wait, mine, err := sh.lookup(c, time.Now())
		if err != nil || have != nil {
			return have, err
		}
		if !mine {
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, away(ctx.Err())
			}
		}
		if err := t.load(ctx, sh, c, wait); err != nil {
			return nil, err
		}
	}
}

// lookup returns the conversation, or a channel that is closed once it was tried to load it; mine tells that the caller is
// the one to do that.
func (sh *shard) lookup(c id.Conversation, now time.Time) (have *conv, wait chan struct{}, mine bool, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.holds(now) {
		return nil, nil, false, away(errNotOwned)
	}
	if have = sh.convs[c]; have != nil {
		have.pending++
		have.used = now
		return have, nil, false, nil
	}
	if wait = sh.loading[c]; wait != nil {
		return nil, wait, false, nil
	}
	wait = make(chan struct{})
	sh.loading[c] = wait
	return nil, wait, true, nil
}

func (t *Timeline) load(ctx context.Context, sh *shard, c id.Conversation, wait chan struct{}) error {
	gen := sh.group.gen.Load()
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	l, err := t.Store.LoadConversation(ctx, sh.n, c, t.now()-dedupLife.Milliseconds(), t.ColdWindow)
	if errors.Is(err, ErrNoConversation) {
		l, err = nil, nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.loading[c] == wait { // Else the memory was dropped, and wait is closed.
		delete(sh.loading, c)
		close(wait)
	}
	if err != nil {
		return away(err)
	}
	if !sh.owned || sh.group.gen.Load() != gen {
		return nil // The caller looks again and finds what is true now.
	}
	t.meterPast(l)
	sh.convs[c] = newConv(sh, c, l, gen)
	sh.evict(t.MaxConversations, time.Now())
	return nil
}

func (sh *shard) release(c *conv) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c.pending--
	if c.pending == 0 && c.view.State == nil && sh.convs[c.id] == c {
		delete(sh.convs, c.id) // Names of conversations that do not exist are anybody's to make up.
	}
}

// evict makes room when more than limit conversations are held. One flushed less than a minute ago stays, so that a reader
// who saw its row in the store before the flush still finds it here.
func (sh *shard) evict(limit int, now time.Time) {
	if len(sh.convs) <= limit || now.Sub(sh.evicted) < time.Second {
		return
	}
	sh.evicted = now
	for key, c := range sh.convs {
		if c.pending == 0 && !c.dirty && !c.hasMoved() && now.Sub(c.flushed) > time.Minute && now.Sub(c.used) > time.Minute {
			sh.recency.forget(c)
			delete(sh.convs, key)
			if len(sh.convs) <= limit*7/8 {
				return
			}
		}
	}
}

func (c *conv) hasMoved() bool {
	for _, p := range c.pointers {
		if p.dirty || p.moved != nil || p.newPrefs {
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
	v.Mark, v.Hushed = held.mark, held.hushed()
	return v, nil
}

// Epoch names the lease under which shard n is held. It fails with Unavailable while the shard is not owned here.
func (t *Timeline) Epoch(n id.Shard) (int64, error) {
	sh := t.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if !sh.owned {
		return 0, away(errNotOwned)
	}
	return sh.lease.Epoch, nil
}

// Heads overlays what memory knows on heads read from the store: for each conversation held here, f is called with its
// committed view. It costs no I/O. The result is the epoch of that memory, 0 if there is none. Only if Epoch told the same
// before the store was read, each head is as new as the shard's Position was then: what moved since the flush is in memory,
// unless memory was dropped between.
func (t *Timeline) Heads(n id.Shard, convs []id.Conversation, f func(int, View)) (epoch int64) {
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
	return sh.lease.Epoch
}
