// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// ErrInjected is what a Faulty fails with.
var ErrInjected = errors.New("injected fault")

// Hooks run around the calls of a Faulty; nil ones do nothing. An error fails the call: before it nothing was done, after it
// everything was. They may block.
type Hooks struct {
	BeforeCommit, AfterCommit func(*timeline.Batch) error
	Index, Load               func() error
	Acquire, Renew            func() error
}

// Faulty is a Store that fails at will and counts.
type Faulty struct {
	timeline.Store

	mu       sync.Mutex
	hooks    Hooks
	cut      bool
	batches  []int // events in each commit
	inFlight int
	most     int
	points   int
	finds    int
}

// NewFaulty wraps a store; it is faultless until told.
func NewFaulty(s timeline.Store) *Faulty { return &Faulty{Store: s} }

// Set puts hooks in place of those before.
func (f *Faulty) Set(h Hooks) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks = h
}

// Cut fails everything from now on, as if the process were gone.
func (f *Faulty) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = true
}

// Counts are what a Faulty counted: commits with events, their events, the most commits at once, pointer rows written, and
// lookups of hot tempIds.
type Counts struct{ Batches, Events, InFlight, Points, Finds int }

// Counts tells what was counted so far.
func (f *Faulty) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := Counts{Batches: len(f.batches), InFlight: f.most, Points: f.points, Finds: f.finds}
	for _, n := range f.batches {
		c.Events += n
	}
	return c
}

func (f *Faulty) state() (Hooks, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		return Hooks{}, ErrInjected
	}
	return f.hooks, nil
}

func call(hook func() error) error {
	if hook == nil {
		return nil
	}
	return hook()
}

// Commit implements timeline.Store.
func (f *Faulty) Commit(ctx context.Context, b *timeline.Batch) error {
	h, err := f.state()
	if err != nil {
		return err
	}
	f.enter(b)
	defer f.leave()
	if h.BeforeCommit != nil {
		if err := h.BeforeCommit(b); err != nil {
			return err
		}
	}
	if _, err := f.state(); err != nil {
		return err
	}
	if err := f.Store.Commit(ctx, b); err != nil {
		return err
	}
	if h.AfterCommit != nil {
		return h.AfterCommit(b)
	}
	return nil
}

func (f *Faulty) enter(b *timeline.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(b.Events) > 0 {
		f.batches = append(f.batches, len(b.Events))
	}
	f.points += len(b.Points)
	f.inFlight++
	f.most = max(f.most, f.inFlight)
}

func (f *Faulty) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
}

// IndexMembers implements timeline.Store.
func (f *Faulty) IndexMembers(ctx context.Context, rows []timeline.IndexRow) error {
	h, err := f.state()
	if err == nil {
		err = call(h.Index)
	}
	if err != nil {
		return err
	}
	return f.Store.IndexMembers(ctx, rows)
}

// LoadConversation implements timeline.Store.
func (f *Faulty) LoadConversation(ctx context.Context, n id.Shard, c id.Conversation, since int64, limit int) (*timeline.Loaded, error) {
	h, err := f.state()
	if err == nil {
		err = call(h.Load)
	}
	if err != nil {
		return nil, err
	}
	return f.Store.LoadConversation(ctx, n, c, since, limit)
}

// Renew implements timeline.Store.
func (f *Faulty) Renew(ctx context.Context, node string, leases []timeline.Lease, ttl time.Duration) error {
	h, err := f.state()
	if err == nil {
		err = call(h.Renew)
	}
	if err != nil {
		return err
	}
	return f.Store.Renew(ctx, node, leases, ttl)
}

// Acquire implements timeline.Store.
func (f *Faulty) Acquire(ctx context.Context, node string, shards []id.Shard, ttl time.Duration) ([]timeline.Lease, error) {
	h, err := f.state()
	if err == nil {
		err = call(h.Acquire)
	}
	if err != nil {
		return nil, err
	}
	return f.Store.Acquire(ctx, node, shards, ttl)
}

// Release implements timeline.Store.
func (f *Faulty) Release(ctx context.Context, node string) error {
	if _, err := f.state(); err != nil {
		return err
	}
	return f.Store.Release(ctx, node)
}

// FindHot implements timeline.Store.
func (f *Faulty) FindHot(ctx context.Context, n id.Shard, conv, dedup, since int64) (*conversation.Event, error) {
	f.mu.Lock()
	f.finds++
	f.mu.Unlock()
	return f.Store.FindHot(ctx, n, conv, dedup, since)
}
