// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/federation/door"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// taker notes what comes and answers by conversation.
type taker struct {
	mu    sync.Mutex
	heads map[id.Conversation][]int64
	heard []string
	err   map[id.Conversation]error
}

func (f *taker) Take(_ context.Context, from id.Server, item replica.Item) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if item.Wrong != nil {
		return -1, item.Wrong
	}
	f.heads[item.ConversationID] = append(f.heads[item.ConversationID], item.Head.Seq)
	return item.Head.Seq, f.err[item.ConversationID]
}

func (f *taker) Receive(_ context.Context, origin id.Server, c id.Conversation, list []replica.Receipt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, fmt.Sprint(origin, " ", c, " ", len(list)))
}

func (f *taker) Deliver(_ context.Context, origin id.Server, list []frame.Typing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range list {
		f.heard = append(f.heard, string(origin)+" "+t.UserID)
	}
}

func headItem(c id.Conversation, seq int64) replica.Item {
	return replica.Item{ConversationID: c, Head: &replica.Checkpoint{Checkpoint: event.Checkpoint{ConversationID: c, Hub: "a.test", Seq: seq}}}
}

func TestTransactions_EveryItemHasItsOwnAnswerAndAConversationKeepsItsOrder(t *testing.T) {
	one, two, three := id.NewConversation([32]byte{1}), id.NewConversation([32]byte{2}), id.NewConversation([32]byte{3})
	f := &taker{heads: map[id.Conversation][]int64{}, err: map[id.Conversation]error{
		two: fault.New(fault.UnknownConversation, "no"), three: errors.New("a broken pipe"),
	}}
	in := replica.Transaction{Typing: []frame.Typing{{UserID: "alice@a.test"}}}
	for seq := range int64(20) {
		in.Items = append(in.Items, headItem(one, seq))
	}
	in.Items = append(in.Items, headItem(two, 5), headItem(three, 6))
	silent := headItem(two, 0)
	silent.Head, silent.Receipts = nil, []replica.Receipt{{UserID: "alice@a.test"}}
	in.Items = append(in.Items, silent)
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	rt := door.Transactions(f, f)
	answer, err := rt.Handle(t.Context(), &door.Call{Origin: "a.test", Body: body})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.(replica.Taken).Results
	if len(got) != 23 || got[19].Seq != 19 || got[19].ConversationID != one || got[19].Code != "" {
		t.Errorf("results: %+v", got)
	}
	want := []replica.Result{{ConversationID: two, Seq: 5, Code: "unknown_conversation"}, {ConversationID: three, Seq: 6, Code: "unavailable"}, {ConversationID: two, Seq: -1}}
	if d := cmp.Diff(want, got[20:]); d != "" {
		t.Error(d)
	}
	if !slices.IsSorted(f.heads[one]) || len(f.heads[one]) != 20 {
		t.Errorf("in the order %v", f.heads[one])
	}
	if !slices.Equal(f.heard, []string{"a.test " + string(two) + " 1", "a.test alice@a.test"}) {
		t.Errorf("heard %q", f.heard)
	}
}

func TestTransactions_AnItemThatCannotBeReadLeavesTheOthers(t *testing.T) {
	one := id.NewConversation([32]byte{1})
	f := &taker{heads: map[id.Conversation][]int64{}}
	good, err := json.Marshal(headItem(one, 3))
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"items":[{"conversationId":%q,"head":{"seq":"x"}},%s]}`, one, good)
	answer, err := door.Transactions(f, f).Handle(t.Context(), &door.Call{Origin: "a.test", Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.(replica.Taken).Results
	if len(got) != 2 || got[0].Code != "malformed_json" || got[1].Code != "" || got[1].Seq != 3 {
		t.Errorf("results: %+v", got)
	}
	if _, err := door.Transactions(f, f).Handle(t.Context(), &door.Call{Origin: "a.test", Body: []byte(`{"items":{}}`)}); !fault.Is(err, fault.MalformedJSON) {
		t.Error(err)
	}
}
