// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"parley.chat/protocol/id"
)

// recency orders the conversations that moved under the present lease, so that a reader finds those past a position without
// looking at those before it. Whatever is not in memory moved at floor or before.
type recency struct {
	byPos, byMark *list.List // of *conv, newest first
	floor         Position
}

func newRecency(floor Position) recency {
	return recency{byPos: list.New(), byMark: list.New(), floor: floor}
}

// touch makes c the newest of l; at is its place there.
func touch(l *list.List, at **list.Element, c *conv) {
	if *at == nil {
		*at = l.PushFront(c)
		return
	}
	l.MoveToFront(*at)
}

// replayed takes in what a new owner loaded.
func (r *recency) replayed(convs map[id.Conversation]*conv) {
	all := make([]*conv, 0, len(convs))
	for _, c := range convs {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *conv) int { return cmp.Compare(a.view.Head.Pos, b.view.Head.Pos) })
	for _, c := range all {
		touch(r.byPos, &c.posAt, c)
	}
}

// forget takes c out before it leaves memory.
func (r *recency) forget(c *conv) {
	if c.posAt != nil {
		r.byPos.Remove(c.posAt)
	}
	if c.markAt != nil {
		r.byMark.Remove(c.markAt)
	}
	r.floor.Pos = max(r.floor.Pos, c.view.Head.Pos)
	r.floor.Mark = max(r.floor.Mark, c.mark)
}

// Recent lists the conversations of shard n with a head or a receipt past since, in no order. ok is false if memory does not
// reach back so far, or more than limit moved: then the store has to be asked. It costs no I/O, and does not look at
// conversations that did not move.
func (t *Timeline) Recent(n id.Shard, since Position, limit int) (moved []View, ok bool) {
	sh := t.shards[n]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if !sh.holds(time.Now()) || since.Pos < sh.recency.floor.Pos || since.Mark < sh.recency.floor.Mark {
		return nil, false
	}
	add := func(c *conv) {
		v := c.view
		v.Mark = c.mark
		moved = append(moved, v)
	}
	for at := sh.recency.byPos.Front(); at != nil && at.Value.(*conv).view.Head.Pos > since.Pos; at = at.Next() {
		if add(at.Value.(*conv)); len(moved) > limit {
			return nil, false
		}
	}
	for at := sh.recency.byMark.Front(); at != nil && at.Value.(*conv).mark > since.Mark; at = at.Next() {
		if c := at.Value.(*conv); c.view.Head.Pos <= since.Pos {
			add(c)
		}
		if len(moved) > limit {
			return nil, false
		}
	}
	return moved, true
}
