// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Comparable leaves out of states what they only remember.
var Comparable = cmpopts.IgnoreUnexported(conversation.State{})

func sorted(users []id.User) []id.User {
	out := slices.Clone(users)
	slices.Sort(out)
	return out
}

// Log reads a conversation's log back from the store, as one who loads it finds it.
func Log(t testing.TB, s timeline.Store, c id.Conversation) (*timeline.Loaded, []*conversation.Event) {
	t.Helper()
	n := c.Shard(s.Shards())
	l, err := s.LoadConversation(t.Context(), n, c, 0, 1)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	events, err := s.Events(t.Context(), n, l.Conv, timeline.Range{From: 0, To: id.MaxSeq, Limit: 1 << 30})
	if err != nil {
		t.Fatalf("events: %v", err)
	}
	for _, e := range events {
		e.ConversationID = c
	}
	return l, events
}

// Verify reads the log back and checks it: dense, message ids rising, chain and state as they must be. It returns the log.
func Verify(t testing.TB, s timeline.Store, c id.Conversation) []*conversation.Event {
	t.Helper()
	l, events := Log(t, s, c)
	var st *conversation.State
	var prev *conversation.Event
	var hash event.Hash
	for i, e := range events {
		if e.Seq != int64(i) {
			t.Fatalf("event %d has seq %d", i, e.Seq)
		}
		if prev != nil && (e.MessageID.String() <= prev.MessageID.String() || e.Pos <= prev.Pos || e.HubTime < prev.HubTime) {
			t.Fatalf("seq %d does not come after the one before", i)
		}
		after, err := conversation.Apply(st, e)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := conversation.EntryOf(e, hash, st.Term(), after)
		if err != nil {
			t.Fatal(err)
		}
		got, err := entry.Hash(nil)
		if err != nil || got != e.Hash || entry.MessageID != e.MessageID {
			t.Fatalf("the chain breaks at seq %d: %v", i, err)
		}
		st, prev, hash = after, e, e.Hash
	}
	verifyHead(t, l, st, prev)
	return events
}

func verifyHead(t testing.TB, l *timeline.Loaded, st *conversation.State, last *conversation.Event) {
	t.Helper()
	if last == nil {
		t.Fatal("the log is empty")
	}
	if l.Head != conversation.HeadAt(last) {
		t.Errorf("head is %+v, the log ends at %+v", l.Head, conversation.HeadAt(last))
	}
	want, err := st.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.State.Hash(); err != nil || got != want || l.State.Seq != st.Seq || l.State.Joined != st.Joined {
		t.Errorf("state is %+v, the log folds to %+v (%v)", l.State, st, err)
	}
}

// VerifyShards checks that the positions of each shard are dense over the given conversations, which must be all.
func VerifyShards(t testing.TB, s timeline.Store, convs []id.Conversation) {
	t.Helper()
	by := map[id.Shard][]int64{}
	for _, c := range convs {
		_, events := Log(t, s, c)
		n := c.Shard(s.Shards())
		for _, e := range events {
			by[n] = append(by[n], e.Pos)
		}
	}
	for n, pos := range by {
		slices.Sort(pos)
		for i, p := range pos {
			if p != int64(i)+1 {
				t.Fatalf("shard %d: position %d is missing or doubled", n, i+1)
			}
		}
	}
}
