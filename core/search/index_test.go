// SPDX-License-Identifier: Apache-2.0

package search_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// shelf is an index in memory: how many steps each conversation of a shard still takes.
type shelf struct {
	mu       sync.Mutex
	left     map[int64]int
	enrolled map[int64]bool
	steps    int
	looks    int
	fail     bool
	atOnce   int
	most     int
}

func (s *shelf) Enrolled(context.Context, id.Shard) (out []search.Enrolled, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.fail {
		return nil, errors.New("away")
	}
	for conv := range s.enrolled {
		out = append(out, search.Enrolled{Conv: conv, Busy: s.left[conv] > 0})
	}
	return out, nil
}

func (s *shelf) IndexStep(_ context.Context, _ id.Shard, conv int64) (bool, error) {
	s.mu.Lock()
	s.steps++
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	s.mu.Unlock()
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.atOnce--
	if s.fail {
		return false, errors.New("away")
	}
	s.left[conv] = max(0, s.left[conv]-1)
	return s.left[conv] > 0, nil
}

func (s *shelf) add(conv int64, steps int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left[conv], s.enrolled[conv] = steps, true
}

func (s *shelf) open() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, left := range s.left {
		n += left
	}
	return n
}

// owner owns shard 0 of two; what moved is listed once.
type owner struct {
	mu    sync.Mutex
	pos   int64
	views []timeline.View
	lost  bool
}

func (o *owner) Position(n id.Shard) (timeline.Position, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n != 0 || o.lost {
		return timeline.Position{}, errors.New("not owned")
	}
	return timeline.Position{Pos: o.pos}, nil
}

func (o *owner) Recent(_ id.Shard, since timeline.Position, _ int) (out []timeline.View, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, v := range o.views {
		if v.Head.Pos > since.Pos {
			out = append(out, v)
		}
	}
	return out, since.Pos > 0
}

func (o *owner) move(conv int64, searched bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pos++
	st := &conversation.State{Info: conversation.Info{ServerSearch: searched}}
	o.views = append(o.views, timeline.View{Conv: conv, State: st, Head: conversation.Head{Pos: o.pos}})
}

// indexing runs an indexer in a bubble until the test is done.
func indexing(t *testing.T, s *shelf, o *owner, f func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		x := &search.Indexer{Store: s, Owner: o, Shards: 2, Log: slog.New(slog.DiscardHandler)}
		done := make(chan error, 1)
		go func() { done <- x.Run(ctx) }()
		f()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func newShelf() *shelf { return &shelf{left: map[int64]int{}, enrolled: map[int64]bool{}} }

func TestIndexer_TakesUpWhatWasLeftAndFollowsWhatMoves(t *testing.T) {
	s, o := newShelf(), &owner{pos: 5}
	s.add(1, 30)
	s.add(2, 0)
	indexing(t, s, o, func() {
		time.Sleep(3 * time.Second)
		if s.open() != 0 || s.looks != 1 {
			t.Errorf("%d steps are open after %d looks", s.open(), s.looks)
		}
		steps := s.steps
		time.Sleep(20 * time.Second)
		if s.steps != steps {
			t.Errorf("%d steps with nothing to do", s.steps-steps)
		}
		s.add(3, 2)
		o.move(3, true)
		o.move(4, false)
		time.Sleep(time.Second)
		if s.open() != 0 || s.steps != steps+2 {
			t.Errorf("%d steps are open, %d were done", s.open(), s.steps-steps)
		}
		s.add(3, 1) // It is switched off: what was enrolled is looked at once more.
		o.move(3, false)
		time.Sleep(time.Second)
		if s.open() != 0 {
			t.Error("the end of the setting was not noticed")
		}
	})
	if s.most > 4 {
		t.Errorf("%d steps at once", s.most)
	}
}

func TestIndexer_GoesOnAfterTroubleAndLeavesShardsOfOthersAlone(t *testing.T) {
	s, o := newShelf(), &owner{pos: 5}
	s.fail = true
	s.add(1, 3)
	indexing(t, s, o, func() {
		time.Sleep(2 * time.Second)
		s.mu.Lock()
		s.fail = false
		s.mu.Unlock()
		time.Sleep(2 * time.Second)
		if s.open() != 0 {
			t.Errorf("%d steps are open after the trouble", s.open())
		}
		o.mu.Lock()
		o.lost = true
		o.mu.Unlock()
		time.Sleep(time.Second)
		s.add(2, 3)
		o.move(2, true)
		time.Sleep(2 * time.Minute)
		if s.open() != 3 {
			t.Error("a shard that is not owned here was indexed")
		}
		o.mu.Lock()
		o.lost = false
		o.mu.Unlock()
		time.Sleep(2 * time.Second)
		if s.open() != 0 {
			t.Error("the shard was not taken up again")
		}
	})
}

func TestIndexer_LooksForWhatItMissedOnceAMinute(t *testing.T) {
	s, o := newShelf(), &owner{pos: 5}
	indexing(t, s, o, func() {
		time.Sleep(5 * time.Second)
		s.add(9, 2) // Nobody tells.
		time.Sleep(time.Minute)
		if s.open() != 0 {
			t.Errorf("%d steps are open", s.open())
		}
	})
}
