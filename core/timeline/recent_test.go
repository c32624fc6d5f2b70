// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// recentShard owns one shard whose log ends at pos 10, with nothing in memory.
func recentShard() (*Timeline, *shard) {
	sh := newShard(0, nil)
	sh.reset(Lease{Pos: 10, Flushed: 10, Mark: 3}, true)
	sh.until = time.Now().Add(time.Hour)
	return &Timeline{shards: []*shard{sh}}, sh
}

// commitAt puts a conversation into memory with its head at pos.
func (sh *shard) commitAt(name id.Conversation, pos int64) *conv {
	c := sh.convs[name]
	if c == nil {
		c = &conv{id: name, shard: sh}
		c.view.State = &conversation.State{ID: name}
		sh.convs[name] = c
	}
	c.view.Head = conversation.Head{Exists: true, Pos: pos}
	touch(sh.recency.byPos, &c.posAt, c)
	return c
}

func names(views []View) map[id.Conversation]bool {
	out := map[id.Conversation]bool{}
	for _, v := range views {
		out[v.State.ID] = true
	}
	return out
}

func TestRecent_ListsWhatMovedPastThePositionAndNothingElse(t *testing.T) {
	tl, sh := recentShard()
	sh.commitAt("a", 11)
	sh.commitAt("b", 12)
	sh.commitAt("c", 13)
	sh.commitAt("a", 14)
	got, ok := tl.Recent(0, Position{Pos: 12, Mark: 3}, 10)
	if n := names(got); !ok || len(got) != 2 || !n["a"] || !n["c"] {
		t.Fatalf("%v, %v", n, ok)
	}
	if got, ok := tl.Recent(0, Position{Pos: 14, Mark: 3}, 10); !ok || len(got) != 0 {
		t.Fatalf("at the end: %v, %v", got, ok)
	}
}

func TestRecent_ReceiptsCountOnce(t *testing.T) {
	tl, sh := recentShard()
	for i, name := range []id.Conversation{"a", "b"} {
		c := sh.commitAt(name, int64(11+i))
		c.mark = 4
		touch(sh.recency.byMark, &c.markAt, c)
	}
	got, ok := tl.Recent(0, Position{Pos: 11, Mark: 3}, 10)
	if !ok || len(got) != 2 {
		t.Fatalf("%v, %v", names(got), ok)
	}
	if got, _ := tl.Recent(0, Position{Pos: 12, Mark: 4}, 10); len(got) != 0 {
		t.Fatalf("past both: %v", names(got))
	}
}

func TestRecent_DoesNotKnowWhatWasBeforeTheLeaseOrForgotten(t *testing.T) {
	tl, sh := recentShard()
	if _, ok := tl.Recent(0, Position{Pos: 9, Mark: 3}, 10); ok {
		t.Error("before the lease")
	}
	if _, ok := tl.Recent(0, Position{Pos: 10, Mark: 2}, 10); ok {
		t.Error("receipts before the lease")
	}
	c := sh.commitAt("a", 11)
	sh.commitAt("b", 12)
	sh.recency.forget(c)
	delete(sh.convs, "a")
	if _, ok := tl.Recent(0, Position{Pos: 10, Mark: 3}, 10); ok {
		t.Error("an evicted conversation moved past the position")
	}
	if got, ok := tl.Recent(0, Position{Pos: 11, Mark: 3}, 10); !ok || len(got) != 1 {
		t.Errorf("%v, %v", names(got), ok)
	}
}

func TestRecent_TooManyAreLeftToTheStore(t *testing.T) {
	tl, sh := recentShard()
	for i := range 5 {
		sh.commitAt(id.Conversation(rune('a'+i)), int64(11+i))
	}
	if _, ok := tl.Recent(0, Position{Pos: 10, Mark: 3}, 4); ok {
		t.Error("more than the limit")
	}
	if got, ok := tl.Recent(0, Position{Pos: 10, Mark: 3}, 5); !ok || len(got) != 5 {
		t.Errorf("%d, %v", len(got), ok)
	}
}

func TestRecent_WhatANewOwnerReplayedIsKnown(t *testing.T) {
	tl, sh := recentShard()
	sh.recency = newRecency(Position{Pos: 7, Mark: 3})
	for name, pos := range map[id.Conversation]int64{"a": 8, "b": 10, "c": 9} {
		c := &conv{id: name, shard: sh}
		c.view.State, c.view.Head.Pos = &conversation.State{ID: name}, pos
		sh.convs[name] = c
	}
	sh.recency.replayed(sh.convs)
	got, ok := tl.Recent(0, Position{Pos: 8, Mark: 3}, 10)
	if n := names(got); !ok || len(got) != 2 || n["a"] {
		t.Fatalf("%v, %v", n, ok)
	}
}

func TestRecent_IsNotKnownWithoutTheLease(t *testing.T) {
	tl, sh := recentShard()
	sh.until = time.Now().Add(-time.Second)
	if _, ok := tl.Recent(0, Position{Pos: 10, Mark: 3}, 10); ok {
		t.Error("memory is the truth under a lease only")
	}
}
