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

func note(shard id.Shard, pos int64, conv id.Conversation, seq int64, text string) *fanout.Note {
	return &fanout.Note{Shard: shard, Pos: pos, ConversationID: conv, Seq: seq, Frame: fanout.NewFrame("x", []byte(text))}
}

// heldStream returns a stream that is about to go live at pos 10 of shard 0, with notes held meanwhile.
func heldStream(sink Sink, notes ...*fanout.Note) *Stream {
	s := (&Feed{Options{Shards: 1, Realm: []byte("r")}}).Open("s", "alice@example.org", "d", sink)
	s.phase, s.held = pulling, notes
	return s
}

func at10() Cursor { return Cursor{at: map[id.Shard]timeline.Position{0: {Pos: 10}}} }

func TestStream_WhatAPageShowedPastTheCursorIsNotSentAgain(t *testing.T) {
	var sink listSink
	s := heldStream(&sink,
		note(0, 9, "a", 4, "before the cursor"), note(0, 11, "a", 5, "in the gap of the page"),
		note(0, 12, "b", 1, "of another conversation"), note(0, 13, "a", 6, "on the page"))
	if !s.goLive(at10(), map[id.Conversation]int64{"a": 6}) {
		t.Fatal("the stream did not go live")
	}
	s.Deliver(note(0, 14, "a", 7, "after the page"))
	s.Deliver(note(0, 15, "a", 8, "and the next"))
	want := []string{"of another conversation", "after the page", "and the next"}
	if diff := cmp.Diff(want, sink.got); diff != "" {
		t.Error(diff)
	}
	if got := s.cursor.at[0].Pos; got != 15 {
		t.Errorf("the cursor is at %d, not at what was sent last", got)
	}
}

func TestStream_ANoteThatIsStillUnderWayWhenItGoesLiveIsNotSentAgainEither(t *testing.T) {
	var sink listSink
	s := heldStream(&sink)
	s.goLive(at10(), map[id.Conversation]int64{"a": 6})
	s.Deliver(note(0, 11, "a", 6, "on the page"))
	if len(sink.got) != 0 || s.cursor.at[0].Pos != 11 {
		t.Errorf("sent %q, cursor at %d", sink.got, s.cursor.at[0].Pos)
	}
}

func TestStream_ASecondSyncForgetsWhatTheFirstShowed(t *testing.T) {
	var sink listSink
	s := heldStream(&sink)
	s.goLive(at10(), map[id.Conversation]int64{"a": 6})
	s.phase = pulling
	s.goLive(at10(), nil)
	s.Deliver(note(0, 11, "a", 6, "not on the second page"))
	if len(sink.got) != 1 {
		t.Errorf("sent %q", sink.got)
	}
}

// dyingLog is empty and goes away after so many reads.
type dyingLog struct {
	Log
	left int
}

// emptyOwner owns one shard, which is empty.
type emptyOwner struct{ Owner }

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
