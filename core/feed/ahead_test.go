// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// listSink keeps the payloads of live frames, and how it was closed.
type listSink struct {
	got    []string
	onPage func()
	closed fault.Code
}

func (s *listSink) Push(f *fanout.Frame) bool {
	s.got = append(s.got, string(f.Payload()))
	return true
}

func (s *listSink) PushPage(context.Context, []byte) error {
	if s.onPage != nil {
		s.onPage()
	}
	return nil
}

func (s *listSink) Later(func(context.Context)) {}
func (s *listSink) Close(code fault.Code)       { s.closed = code }

// seqs are those of the events on a page.
func seqs(p *Page) (out []int64) {
	for _, e := range p.Messages {
		out = append(out, e.Seq)
	}
	return out
}

func TestPull_WhatIsCommittedMeanwhileIsLeftToTheNextPull(t *testing.T) {
	for _, before := range []int{0, 3, 40} {
		w := newWorld()
		c, _ := w.create(t, "alice@x", "bob@x")
		for range before {
			w.send(t, c, "alice@x", "before")
		}
		w.before = func() {
			w.before = nil
			for range 5 {
				w.send(t, c, "alice@x", "meanwhile")
			}
		}
		f := w.feed()
		first, err := f.Pull(t.Context(), "bob@x", newCursor())
		if err != nil {
			t.Fatal(err)
		}
		second, err := f.Pull(t.Context(), "bob@x", first.Next)
		if err != nil {
			t.Fatal(err)
		}
		if got := seqs(first); len(got) == 0 || got[len(got)-1] != int64(before) {
			t.Errorf("after %d messages the first page ends with %v", before, got)
		}
		want := []int64{int64(before) + 1, int64(before) + 2, int64(before) + 3, int64(before) + 4, int64(before) + 5}
		if diff := cmp.Diff(want, seqs(second)); diff != "" {
			t.Errorf("after %d messages the second page: %s", before, diff)
		}
	}
}

func TestPull_AConversationThatBeginsMeanwhileIsLeftToTheNextPull(t *testing.T) {
	w := newWorld()
	w.before = func() {
		w.before = nil
		w.create(t, "alice@x", "bob@x")
	}
	first, err := w.feed().Pull(t.Context(), "bob@x", newCursor())
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.feed().Pull(t.Context(), "bob@x", first.Next)
	if err != nil || len(first.Messages) > 0 || len(second.Messages) != 1 {
		t.Errorf("%d and %d events, error %v", len(first.Messages), len(second.Messages), err)
	}
}

// dyingLog is empty and goes away after so many reads.
type dyingLog struct {
	Log
	left int
}

// emptyOwner owns one shard, which is empty.
type emptyOwner struct{ Owner }

func (emptyOwner) Recent(id.Shard, timeline.Position, int) ([]timeline.View, bool) {
	return nil, false
}

func (l *dyingLog) UserIndex(context.Context, id.User) ([]Membership, error) {
	if l.left--; l.left < 0 {
		return nil, errors.New("the database is away")
	}
	return nil, nil
}

func (emptyOwner) Position(id.Shard) (timeline.Position, error) { return timeline.Position{}, nil }

func TestStream_ADatabaseThatIsLostAfterTheLastPageEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink listSink
		log := &dyingLog{left: 1}
		s := New(Options{Log: log, Owner: emptyOwner{}, Shards: 1}).Open("s", "alice@example.org", "d", &sink)
		sink.onPage = s.Lost
		if err := s.Resume(t.Context(), ""); err != nil {
			t.Errorf("a client that was told it is live got an error: %v", err)
		}
		if sink.closed != fault.SlowReader || s.Synced() {
			t.Errorf("closed with %q, synced %t", sink.closed, s.Synced())
		}
	})
}

// absentLog is away for some calls after the first.
type absentLog struct {
	Log
	calls, away int
}

func (l *absentLog) UserIndex(context.Context, id.User) ([]Membership, error) {
	if l.calls++; l.calls > 1 && l.calls <= 1+l.away {
		return nil, errors.New("the database is away")
	}
	return nil, nil
}

func TestStream_ALiveClientOutlastsADatabaseThatIsAwayForSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink listSink
		log := &absentLog{away: 20}
		s := New(Options{Log: log, Owner: emptyOwner{}, Shards: 1}).Open("s", "alice@example.org", "d", &sink)
		sink.onPage = s.Lost
		if err := s.Resume(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if sink.closed != "" || !s.Synced() || log.calls != 22 {
			t.Errorf("closed with %q, synced %t after %d calls", sink.closed, s.Synced(), log.calls)
		}
	})
}

func TestStream_ADatabaseThatIsAwayAtTheSyncIsAnError(t *testing.T) {
	var sink listSink
	log := &dyingLog{}
	s := New(Options{Log: log, Owner: emptyOwner{}, Shards: 1}).Open("s", "alice@example.org", "d", &sink)
	if err := s.Resume(t.Context(), ""); !fault.Is(err, fault.Unavailable) || sink.closed != "" {
		t.Errorf("error %v, closed with %q", err, sink.closed)
	}
}
