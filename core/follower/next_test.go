// SPDX-License-Identifier: Apache-2.0

package follower_test

import (
	"fmt"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// members makes a state of members who joined at a seq and left at another, -1 if they are there.
func members(list map[id.User][2]int64) *conversation.State {
	s := &conversation.State{Members: map[id.User]conversation.Member{"alice@a.test": {Membership: conversation.Joined, LeftSeq: -1}}}
	for u, at := range list {
		m := conversation.Member{Membership: conversation.Joined, JoinedSeq: at[0], FromSeq: at[0], LeftSeq: at[1]}
		if at[1] >= 0 {
			m.Membership = conversation.Left
		}
		s.Members[u] = m
	}
	return s
}

func TestNext_WhatAServerGetsFollowsFromItsMembers(t *testing.T) {
	here := map[id.User][2]int64{"bob@b.test": {10, -1}}
	gone := map[id.User][2]int64{"bob@b.test": {10, 200}}
	hole := map[id.User][2]int64{"bob@b.test": {10, 120}, "carl@b.test": {150, -1}}
	relay := map[id.User][2]int64{"bob@b.test": {10, 120}, "carl@b.test": {90, -1}}
	chain := map[id.User][2]int64{"bob@b.test": {10, 120}, "carl@b.test": {121, 140}, "dora@b.test": {130, 170}}
	for _, c := range []struct {
		name    string
		members map[id.User][2]int64
		head    int64
		acked   int64
		want    follower.Step
	}{
		{"it never had a member", nil, 300, follower.None, follower.Step{Kind: follower.Drop}},
		{"another server's members are not its own", map[id.User][2]int64{"bob@b.test.org": {10, -1}}, 300, 20, follower.Step{Kind: follower.Drop}},
		{"it is new", here, 10, follower.None, follower.Step{Kind: follower.Snapshot, To: 10}},
		{"it is new and late", here, 300, follower.None, follower.Step{Kind: follower.Snapshot, To: 300}},
		{"it has everything", here, 300, 300, follower.Step{Kind: follower.Done, To: 300}},
		{"it has more than everything", here, 300, 301, follower.Step{Kind: follower.Done, To: 300}},
		{"it is one behind", here, 300, 299, follower.Step{Kind: follower.Push, To: 300}},
		{"it is 50 behind", here, 300, 250, follower.Step{Kind: follower.Push, To: 300}},
		{"it is 51 behind", here, 300, 249, follower.Step{Kind: follower.Tell, To: 300}},
		{"its member left: it gets the leave and nothing after", gone, 300, 190, follower.Step{Kind: follower.Push, To: 200}},
		{"its member left long after", gone, 300, 100, follower.Step{Kind: follower.Tell, To: 200}},
		{"its member left and it has the leave", gone, 300, 200, follower.Step{Kind: follower.Drop}},
		{"its member left before it had anything", gone, 300, follower.None, follower.Step{Kind: follower.Drop}},
		{"there is a hole: as far as it goes", hole, 300, 100, follower.Step{Kind: follower.Push, To: 120}},
		{"there is a hole: then a snapshot", hole, 300, 120, follower.Step{Kind: follower.Snapshot, To: 300}},
		{"in the hole", hole, 300, 130, follower.Step{Kind: follower.Snapshot, To: 300}},
		{"just before the end of the hole", hole, 160, 149, follower.Step{Kind: follower.Push, To: 160}},
		{"another member was there already", relay, 130, 110, follower.Step{Kind: follower.Push, To: 130}},
		{"several in turn, all gone", chain, 300, 125, follower.Step{Kind: follower.Push, To: 170}},
		{"from before its first member", here, 300, 5, follower.Step{Kind: follower.Snapshot, To: 300}},
	} {
		if got := follower.Next(members(c.members), c.head, "b.test", c.acked); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever the memberships are, following the steps ends, and no entry is handed on at which the server had no member.
func TestNext_EndsAndStaysWithinTheMemberships(t *testing.T) {
	const head = 12
	for code := range 5 * 5 * 5 * 5 {
		var list [2][2]int64
		for i, c := 0, code; i < 2; i, c = i+1, c/25 {
			list[i] = [2]int64{int64(c%5) * 2, int64(c%5)*2 + int64(c/5%5)*2 - 1}
			if c/5%5 == 0 {
				list[i][1] = -1
			}
		}
		s := members(map[id.User][2]int64{"bob@b.test": list[0], "carl@b.test": list[1]})
		s.Seq = max(list[0][0], list[1][0], list[0][1], list[1][1])
		if s.Seq > head {
			continue
		}
		walk(t, fmt.Sprint(list), s, head)
	}
}

func walk(t *testing.T, name string, s *conversation.State, head int64) {
	t.Helper()
	sight, ok := follower.SightOf(s, "b.test", head)
	if !ok {
		t.Fatalf("%s: no sight", name)
	}
	for start := int64(-1); start <= head; start++ {
		acked := start
		for steps := 0; ; steps++ {
			step := follower.Next(s, head, "b.test", acked)
			if step.Kind == follower.Done || step.Kind == follower.Drop {
				break
			}
			if steps > 4 {
				t.Fatalf("%s from %d: no end", name, start)
			}
			first := acked + 1
			if step.Kind == follower.Snapshot {
				first = s.Seq
			}
			for seq := first; seq <= step.To; seq++ {
				if !sight.Shows(&conversation.Event{Seq: seq, Type: frame.TypeMessage}) {
					t.Fatalf("%s from %d: %+v hands on %d", name, start, step, seq)
				}
			}
			acked = step.To
		}
	}
}

func TestSight_NoEditOfAMessageFromBefore(t *testing.T) {
	s := members(map[id.User][2]int64{"bob@b.test": {10, 20}, "carl@b.test": {15, -1}})
	sight, ok := follower.SightOf(s, "b.test", 30)
	if !ok || sight.From() != 10 || sight.To() != 30 {
		t.Errorf("sight from %d to %d, %t", sight.From(), sight.To(), ok)
	}
	edit := func(seq, target int64) *conversation.Event {
		content, err := event.Relation{TargetMessageID: id.NewMessage(1, target, event.Hash{}).String(), Content: "x", ContentType: "text"}.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		return &conversation.Event{Seq: seq, Type: frame.TypeEdit, Content: content}
	}
	for _, c := range []struct {
		seq, target int64
		want        bool
	}{{12, 9, false}, {12, 11, true}, {20, 11, true}, {21, 11, false}, {21, 15, true}, {31, 20, false}, {9, 8, false}} {
		if got := sight.Shows(edit(c.seq, c.target)); got != c.want {
			t.Errorf("edit at %d of %d: %t", c.seq, c.target, got)
		}
	}
	if _, ok := follower.SightOf(s, "c.test", 30); ok {
		t.Error("a server without members sees something")
	}
}
