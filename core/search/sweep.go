// SPDX-License-Identifier: Apache-2.0

package search

import (
	"container/heap"
	"context"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// lane is one conversation on the way down. Its place is that of its next match, or, while none is known, one that no match
// yet to be found lies before.
type lane struct {
	Place
	shard   id.Shard
	conv    int64 // number in the shard, 0 until it is entered
	next    int64 // highest seq not looked at
	floor   int64 // no message from next down is newer
	low     int64 // lowest that may be read, as far as known
	last    int64 // highest that may be read, once it is known
	size    int64 // of the next stretch
	whole   bool
	scanned bool
	ready   []Match
	view    *timeline.View
}

// sweep walks the lanes side by side.
type sweep struct {
	finder *Finder
	query  Query
	lanes  lanes
	left   int // messages that may still be looked at
	first  int64
	round  int
	out    Result
}

// lanes is a heap with the first place on top.
type lanes []*lane

func (l lanes) Len() int           { return len(l) }
func (l lanes) Less(i, j int) bool { return l[i].compare(l[j].Place) < 0 }
func (l lanes) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lanes) Push(x any)        { *l = append(*l, x.(*lane)) }
func (l *lanes) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

func (s *sweep) add(c Candidate) {
	at := min(c.Time, s.reach(c.ID))
	if at < s.query.From {
		return
	}
	s.lanes = append(s.lanes, &lane{Place: Place{Time: at, Conv: c.ID, Seq: id.MaxSeq}, whole: c.Whole, shard: c.ID.Shard(s.finder.Shards)})
}

// reach is the newest time that the query wants of a conversation.
func (s *sweep) reach(c id.Conversation) int64 {
	at := s.query.To - 1
	if s.query.After != nil {
		at = min(at, s.query.After.reach(c))
	}
	return at
}

// run goes on until the page is full, nothing is left, or enough was looked at. One hit more than the page tells where the
// next begins.
func (s *sweep) run(ctx context.Context) (Result, error) {
	heap.Init(&s.lanes)
	for len(s.lanes) > 0 {
		var err error
		switch top := s.lanes[0]; {
		case top.Time < s.query.From:
			return s.out, nil // Everything else is older still.
		case len(top.ready) > 0 && len(s.out.Hits) == s.query.Limit:
			return s.stop(), nil
		case len(top.ready) > 0:
			err = s.take(ctx, top)
		case s.left <= 0 && s.out.moved(s.query.After, top):
			return s.stop(), nil
		default:
			err = s.look(ctx)
		}
		if err != nil {
			return Result{}, err
		}
	}
	return s.out, nil
}

// moved tells that going on at the lane is progress.
func (r *Result) moved(after *Place, top *lane) bool {
	return top.conv != 0 && (after == nil || top.compare(*after) > 0)
}

func (s *sweep) stop() Result {
	next := s.lanes[0].Place
	s.out.Next = &next
	return s.out
}

// take makes a hit of the first match, if the user may read it.
func (s *sweep) take(ctx context.Context, top *lane) error {
	if err := s.know(ctx, top); err != nil {
		return err
	}
	m := top.ready[0]
	top.ready = top.ready[1:]
	s.round = firstRound // Matches are dense here: there is no need to read on far and wide.
	if m.Seq >= top.low && m.Seq <= top.last {
		s.out.Hits = append(s.out.Hits, Hit{View: *top.view, Seq: m.Seq})
	}
	s.settle(top)
	return nil
}

// know asks the owner what may be read of a lane. One that is gone is left empty.
func (s *sweep) know(ctx context.Context, l *lane) error {
	if l.view != nil {
		return nil
	}
	v, err := s.finder.Owner.View(ctx, l.Conv)
	if err != nil && !fault.Is(err, fault.UnknownConversation) {
		return err
	}
	l.view = &v
	from, to, ok := v.State.Visible(s.query.User, v.Head.Seq)
	if l.whole {
		from, to, ok = 0, v.Head.Seq, true
	}
	if m, _ := v.State.Member(s.query.User); s.query.Text != nil && (!v.State.Info.ServerSearch || !l.whole && m.Membership != conversation.Joined) {
		ok = false
	}
	if !ok {
		from, to = 0, -1
	}
	l.low, l.last, l.next = from, to, min(l.next, to)
	return nil
}

// settle puts a lane where its next match is, or drops it. The lane is on the heap.
func (s *sweep) settle(l *lane) {
	at := 0
	for s.lanes[at] != l {
		at++
	}
	if len(l.ready) > 0 {
		l.Seq, l.Time = l.ready[0].Seq, l.ready[0].Time
	} else if l.next < l.low {
		heap.Remove(&s.lanes, at)
		return
	} else {
		l.Seq, l.Time = l.next, l.floor
	}
	heap.Fix(&s.lanes, at)
}
