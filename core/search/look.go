// SPDX-License-Identifier: Apache-2.0

package search

import (
	"container/heap"
	"context"
	"maps"
	"slices"

	"parley.chat/protocol/id"
)

// look enters, or else reads on, the first lanes that have no match ready: those before the first ready match, of which
// nothing may be shown before they were looked at.
func (s *sweep) look(ctx context.Context) error {
	blank := s.blank()
	s.round = min(2*s.round, mostRound)
	err := s.lookAt(ctx, blank)
	for _, l := range blank {
		heap.Push(&s.lanes, l)
		s.settle(l)
	}
	return err
}

func (s *sweep) lookAt(ctx context.Context, blank []*lane) error {
	if blank[0].conv == 0 {
		return s.each(blank, func(n id.Shard, list []*lane) error { return s.enter(ctx, n, list) })
	}
	var scan []*lane
	for i, l := range blank {
		if l.scanned {
			if err := s.know(ctx, l); err != nil {
				return err
			}
		}
		if n := s.stretch(l); n > 0 && (s.left > 0 || i == 0) {
			s.left -= s.cost(n)
			scan = append(scan, l)
		}
	}
	return s.each(scan, func(n id.Shard, list []*lane) error { return s.scan(ctx, n, list) })
}

// blank takes the lanes of a round off the heap: either all are entered or none is.
func (s *sweep) blank() (out []*lane) {
	entered := s.lanes[0].conv != 0
	for len(out) < s.round && len(s.lanes) > 0 {
		top := s.lanes[0]
		if len(top.ready) > 0 || top.Time < s.query.From || (top.conv != 0) != entered {
			break
		}
		out = append(out, heap.Pop(&s.lanes).(*lane))
	}
	return out
}

// each calls f for the lanes of each shard.
func (s *sweep) each(list []*lane, f func(id.Shard, []*lane) error) error {
	by := map[id.Shard][]*lane{}
	for _, l := range list {
		by[l.shard] = append(by[l.shard], l)
	}
	for _, n := range slices.Sorted(maps.Keys(by)) {
		if err := f(n, by[n]); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) enter(ctx context.Context, n id.Shard, list []*lane) error {
	in := make([]Entrance, len(list))
	for i, l := range list {
		in[i] = Entrance{ID: l.Conv, AtMost: s.reach(l.Conv)}
	}
	out, err := s.finder.Log.Enter(ctx, n, s.query.User, in)
	if err != nil {
		return away(err)
	}
	for i, l := range list {
		l.conv, l.next, l.floor, l.size = out[i].Conv, out[i].Seq, out[i].Time, s.first
		if a := s.query.After; a != nil && a.Conv == l.Conv {
			l.next = min(l.next, a.Seq)
		}
		if l.conv == 0 {
			l.next = -1
		}
	}
	return nil
}

// stretch is how many seqs are read of a lane next. Words are looked up in the rest of a block.
func (s *sweep) stretch(l *lane) int64 {
	size := l.size
	if s.query.Text != nil {
		size = l.next%Block + 1
	}
	return min(size, l.next-l.low+1)
}

func (s *sweep) cost(stretch int64) int {
	if s.query.Text != nil {
		return blockCost
	}
	return int(stretch)
}

func (s *sweep) scan(ctx context.Context, n id.Shard, list []*lane) error {
	in := make([]Stretch, len(list))
	for i, l := range list {
		in[i] = Stretch{Conv: l.conv, From: max(l.next-s.stretch(l)+1, l.low), To: l.next}
	}
	limit := s.query.Limit + 1
	f := s.query.Filter
	out, err := s.finder.Log.Scan(ctx, n, in, f, limit)
	if err != nil {
		return away(err)
	}
	for i, l := range list {
		l.took(in[i], out[i], limit)
	}
	return nil
}

// took takes in what was found; a stretch with more matches than were asked for was read down to the last of them only.
func (l *lane) took(in Stretch, out Found, limit int) {
	l.ready, l.next, l.floor = out.Matches, in.From-1, out.Time
	if n := len(out.Matches); n == limit {
		last := out.Matches[n-1]
		l.next, l.floor = last.Seq-1, last.Time
	}
	l.scanned = true
	l.size = min(2*l.size, mostStretch)
}
