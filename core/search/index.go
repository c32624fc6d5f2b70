// SPDX-License-Identifier: Apache-2.0

package search

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// IndexStore is the index of words. Every error means that the database is away, or that a step may be tried again.
type IndexStore interface {
	// Enrolled lists the conversations of shard n that are or were to be indexed.
	Enrolled(ctx context.Context, n id.Shard) ([]Enrolled, error)
	// IndexStep indexes the next few messages of a conversation, or takes the next few away if it is not wanted any more. more
	// is false once nothing is left to do. It is atomic, and may run on several nodes at once.
	IndexStep(ctx context.Context, n id.Shard, conv int64) (more bool, err error)
}

// Enrolled is a conversation that is or was to be indexed; Busy if there is something to do.
type Enrolled struct {
	Conv int64
	Busy bool
}

// Shards tells what moved in the shards that this node owns.
type Shards interface {
	Position(n id.Shard) (timeline.Position, error)
	Recent(n id.Shard, since timeline.Position, limit int) (moved []timeline.View, ok bool)
}

// Indexer keeps the index of words behind the log: of the shards this node owns, in the background, a few messages at a time.
// What it has done is known by the store alone, so it may stop and begin anywhere.
type Indexer struct {
	Store  IndexStore
	Owner  Shards
	Shards int
	Log    *slog.Logger

	shards map[id.Shard]*backlog // of Run's goroutine
}

// backlog is what is known of a shard's conversations.
type backlog struct {
	since    timeline.Position
	looked   time.Time
	enrolled map[int64]bool
	todo     map[int64]bool
}

const (
	indexEvery   = 250 * time.Millisecond // between two looks at what moved
	indexPause   = 20 * time.Millisecond  // between two rounds of steps
	enrolEvery   = time.Minute            // between two looks at the store for what was missed
	indexAtOnce  = 4
	indexMoved   = 2048
	indexTimeout = 30 * time.Second
	complainRate = 10 * time.Second
)

// Run indexes until ctx is done. It fails never: what does not work is tried again.
func (x *Indexer) Run(ctx context.Context) error {
	x.shards = map[id.Shard]*backlog{}
	var complained time.Time
	for ctx.Err() == nil {
		busy, err := x.round(ctx)
		if err != nil && ctx.Err() == nil && time.Since(complained) > complainRate {
			complained = time.Now()
			x.Log.Warn("indexing is held up; trying again", slog.Any("error", err))
		}
		pause := indexEvery
		if busy && err == nil {
			pause = indexPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// round does one step of each conversation that has something to do. The first error is answered; the others went on.
func (x *Indexer) round(ctx context.Context) (busy bool, first error) {
	var mu sync.Mutex
	eg := errgroup.Group{}
	eg.SetLimit(indexAtOnce)
	for n := range id.Shard(x.Shards) {
		b, err := x.look(ctx, n)
		if err != nil {
			first = err
		}
		if b == nil {
			continue
		}
		for _, conv := range slices.Sorted(maps.Keys(b.todo)) {
			eg.Go(func() error {
				sctx, cancel := context.WithTimeout(ctx, indexTimeout)
				defer cancel()
				more, err := x.Store.IndexStep(sctx, n, conv)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && !more {
					delete(b.todo, conv)
				}
				busy = busy || more
				return err
			})
		}
		if err := eg.Wait(); err != nil {
			first = err
		}
		eg = errgroup.Group{}
		eg.SetLimit(indexAtOnce)
	}
	return busy, first
}

// look brings the backlog of a shard up to date; nil if the shard is not owned here.
func (x *Indexer) look(ctx context.Context, n id.Shard) (*backlog, error) {
	end, err := x.Owner.Position(n)
	if err != nil {
		delete(x.shards, n)
		return nil, nil
	}
	b := x.shards[n]
	if b == nil {
		b = &backlog{enrolled: map[int64]bool{}, todo: map[int64]bool{}}
		x.shards[n] = b
	}
	moved, ok := x.Owner.Recent(n, b.since, indexMoved)
	if !ok || time.Since(b.looked) > enrolEvery {
		if err := x.enrol(ctx, n, b); err != nil {
			return b, err
		}
	}
	for _, v := range moved {
		if v.Head.Pos > b.since.Pos && (v.State.Info.ServerSearch || b.enrolled[v.Conv]) {
			b.enrolled[v.Conv], b.todo[v.Conv] = true, true
		}
	}
	b.since = end
	return b, nil
}

// enrol asks the store, which knows what was done and what not.
func (x *Indexer) enrol(ctx context.Context, n id.Shard, b *backlog) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	list, err := x.Store.Enrolled(ctx, n)
	if err != nil {
		return err
	}
	b.looked, b.enrolled = time.Now(), map[int64]bool{}
	for _, e := range list {
		b.enrolled[e.Conv] = true
		if e.Busy {
			b.todo[e.Conv] = true
		}
	}
	return nil
}
