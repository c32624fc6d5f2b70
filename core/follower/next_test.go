// SPDX-License-Identifier: Apache-2.0

package follower_test

import (
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func TestNext_WhatAServerGetsFollowsFromItsRow(t *testing.T) {
	const none = follower.None
	for _, c := range []struct {
		name                string
		since, until, acked int64
		head                int64
		want                follower.Step
	}{
		{"it is new", 10, none, none, 10, follower.Step{Kind: follower.Snapshot, To: 10}},
		{"it is new and late", 10, none, none, 300, follower.Step{Kind: follower.Snapshot, To: 300}},
		{"it has everything", 10, none, 300, 300, follower.Step{Kind: follower.Done, To: 300}},
		{"it has more than is known here", 10, none, 301, 300, follower.Step{Kind: follower.Done, To: 300}},
		{"it is one behind", 10, none, 299, 300, follower.Step{Kind: follower.Push, To: 300}},
		{"it is 50 behind", 10, none, 250, 300, follower.Step{Kind: follower.Push, To: 300}},
		{"it is 51 behind", 10, none, 249, 300, follower.Step{Kind: follower.Tell, To: 300}},
		{"the row is newer than the head", 301, none, none, 300, follower.Step{Kind: follower.Done, To: 300}},
		{"its last member left: it gets the leave and nothing after", 10, 200, 190, 300, follower.Step{Kind: follower.Push, To: 200}},
		{"its last member left long after", 10, 200, 100, 300, follower.Step{Kind: follower.Tell, To: 200}},
		{"its last member left and it has the leave", 10, 200, 200, 300, follower.Step{Kind: follower.Drop, To: 200}},
		{"its last member left before it is known to have anything", 10, 200, none, 300, follower.Step{Kind: follower.Tell, To: 200}},
		{"its last member left after the head that is known", 10, 305, 300, 300, follower.Step{Kind: follower.Done, To: 300}},
	} {
		r := follower.Row{Since: c.since, Until: c.until, Acked: c.acked}
		if got := r.Next(c.head); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever a row says, following the steps ends, and nothing is handed on at which the server had no member.
func TestNext_EndsAndStaysWithinTheRow(t *testing.T) {
	for since := int64(0); since < 5; since++ {
		for until := int64(-1); until < 150; until++ {
			if until >= 0 && until <= since {
				continue
			}
			for acked := int64(-1); acked < 150; acked++ {
				if acked >= 0 && acked < since {
					continue
				}
				walk(t, follower.Row{Since: since, Until: until, Acked: acked}, 120)
			}
		}
	}
}

func walk(t *testing.T, start follower.Row, head int64) {
	t.Helper()
	r := start
	for steps := 0; ; steps++ {
		step := r.Next(head)
		if step.Kind == follower.Done || step.Kind == follower.Drop {
			return
		}
		if steps > 2 || step.To > head || !r.Covers(step.To) || step.Kind == follower.Push && !r.Covers(r.Acked+1) {
			t.Fatalf("%+v: step %d is %+v", start, steps, step)
		}
		r.Acked = step.To
	}
}

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

func TestSight_IsWhatAnyMemberOfTheServerMayRead(t *testing.T) {
	s := members(map[id.User][2]int64{"bob@b.test": {10, 20}, "carl@b.test": {15, 18}, "dora@b.test": {40, -1}, "eve@b.test.org": {0, -1}})
	sight, ok := follower.SightOf(s, "b.test", 50)
	if !ok || sight.From() != 10 || sight.To() != 50 {
		t.Errorf("sight from %d to %d, %t", sight.From(), sight.To(), ok)
	}
	for seq, want := range map[int64]int64{9: 8, 10: 20, 17: 20, 20: 20, 21: 20, 39: 38, 40: 50, 50: 50} {
		if got := sight.Reach(seq); got != want {
			t.Errorf("reach of %d is %d, want %d", seq, got, want)
		}
	}
	if _, ok := follower.SightOf(s, "c.test", 50); ok {
		t.Error("a server without members sees something")
	}
}

func TestSight_NoEditOfAMessageFromBefore(t *testing.T) {
	s := members(map[id.User][2]int64{"bob@b.test": {10, 20}, "carl@b.test": {15, -1}})
	sight, _ := follower.SightOf(s, "b.test", 30)
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
}
