// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/sdk/sdktest"
)

func TestRun_TwoUsersTalk(t *testing.T) {
	f := sdktest.New(t)
	alice, bob := join(t, f, "alice", Options{}), join(t, f, "bob", Options{})
	conv, err := alice.CreateDirect(t.Context(), "bob@x")
	if err != nil {
		t.Fatal(err)
	}
	alice.untilLive(t, 1)
	bob.untilLive(t, 1)
	ack, err := alice.SendText(t.Context(), conv.ConversationID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if ack.Seq != 1 || ack.MessageID == "" {
		t.Errorf("ack %+v", ack)
	}
	bob.untilTexts(t, "hello")
	if _, err := bob.SendText(t.Context(), conv.ConversationID, "hi"); err != nil {
		t.Fatal(err)
	}
	alice.untilTexts(t, "hello", "hi")
	if err := alice.stop(t); err != nil {
		t.Errorf("Run ended with %v", err)
	}
}

func TestRun_ReconnectGoesOnAtTheCursor(t *testing.T) {
	f := sdktest.New(t)
	f.Page = 2
	conv := f.Converse("alice@x", "bob@x")
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	f.Say(conv, "alice@x", "one")
	bob.untilTexts(t, "one")
	f.CloseAll(websocket.StatusAbnormalClosure)
	for i := range 5 {
		f.Say(conv, "alice@x", fmt.Sprint(i))
	}
	bob.untilTexts(t, "one", "0", "1", "2", "3", "4")
}

func TestRun_RestartGoesOnFromTheStore(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	store := NewMemoryStore()
	first := join(t, f, "bob", Options{Store: store})
	f.Say(conv, "alice@x", "one")
	first.untilTexts(t, "one")
	if err := first.stop(t); err != nil {
		t.Fatal(err)
	}
	f.Say(conv, "alice@x", "two")
	second := join(t, f, "bob", Options{Store: store})
	second.untilTexts(t, "two")
}

func TestRun_DuplicatesAreDropped(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.OnLive = func(e frame.Event) []frame.Event { return []frame.Event{e, e} }
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	f.Say(conv, "alice@x", "one")
	f.Say(conv, "alice@x", "two")
	bob.untilTexts(t, "one", "two")
}

func TestRun_LostLiveEventsAreFetchedInOrder(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.OnLive = func(e frame.Event) []frame.Event {
		if e.Seq < 9 {
			return nil
		}
		return []frame.Event{e}
	}
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	var want []string
	for i := range 9 {
		want = append(want, fmt.Sprint(i))
		f.Say(conv, "alice@x", fmt.Sprint(i))
	}
	bob.untilTexts(t, want...)
}

func TestRun_GapInSyncIsFilledInOrder(t *testing.T) {
	f := sdktest.New(t)
	f.Window = 2
	conv := f.Converse("alice@x", "bob@x")
	store := NewMemoryStore()
	first := join(t, f, "bob", Options{Store: store})
	first.untilLive(t, 1)
	if err := first.stop(t); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		f.Say(conv, "alice@x", fmt.Sprint(i))
	}
	second := join(t, f, "bob", Options{Store: store})
	second.untilTexts(t, want...)
}

func TestRun_FirstSyncBeginsWithTheNewest(t *testing.T) {
	f := sdktest.New(t)
	f.Window = 2
	conv := f.Converse("alice@x", "bob@x")
	for i := range 6 {
		f.Say(conv, "alice@x", fmt.Sprint(i))
	}
	join(t, f, "bob", Options{}).untilTexts(t, "4", "5")
	if n := f.Called("GET messages"); n != 0 {
		t.Errorf("%d fetches", n)
	}
	join(t, f, "bob", Options{FullHistory: true}).untilTexts(t, "0", "1", "2", "3", "4", "5")
}

func TestRun_ResyncAsksAgainWithTheLastCursor(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	f.OnLive = func(frame.Event) []frame.Event { return nil }
	f.Say(conv, "alice@x", "missed")
	f.Everyone(frame.Resync, frame.ResyncNotice{Code: "slow_reader"})
	bob.untilTexts(t, "missed")
	if got := f.Received(frame.SyncFrame); len(got) != 2 || !strings.Contains(got[1], `"1"`) {
		t.Errorf("sync frames %q", got)
	}
}

func TestRun_RefusedCursorStartsAgainWithout(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.Say(conv, "alice@x", "one")
	store := NewMemoryStore()
	if err := store.Update(t.Context(), func(s *State) { s.Cursor = "999"; s.Session = nil }); err != nil {
		t.Fatal(err)
	}
	c := login(t, f, "bob", Options{Store: store})
	if err := store.Update(t.Context(), func(s *State) { s.Cursor = "999" }); err != nil {
		t.Fatal(err)
	}
	_ = c
	join(t, f, "bob", Options{Store: store}).untilTexts(t, "one")
}

func TestRun_CursorAloneIsStored(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	store := NewMemoryStore()
	bob := join(t, f, "bob", Options{Store: store})
	bob.untilLive(t, 1)
	f.Everyone(frame.SyncFrame, frame.Sync{Cursor: "77"})
	f.Say(conv, "alice@x", "after")
	bob.untilTexts(t, "after")
	if err := bob.stop(t); err != nil {
		t.Fatal(err)
	}
	st, err := store.Load(t.Context())
	if err != nil || st.Cursor != "77" {
		t.Errorf("stored cursor %q, %v", st.Cursor, err)
	}
}

func TestRun_CloseCodes(t *testing.T) {
	for code, want := range map[websocket.StatusCode]fault.Code{4500: fault.DeviceRemoved, 4501: fault.AccountDeactivated, 4577: fault.Forbidden} {
		t.Run(fmt.Sprint(int(code)), func(t *testing.T) {
			f := sdktest.New(t)
			bob := join(t, f, "bob", Options{})
			bob.untilLive(t, 1)
			f.CloseAll(code)
			if err := bob.over(t); !fault.Is(err, want) {
				t.Errorf("Run ended with %v, want %s", err, want)
			}
		})
	}
	for _, code := range []websocket.StatusCode{4000, 4001, 4100, 1011, websocket.StatusAbnormalClosure} {
		t.Run(fmt.Sprint(int(code)), func(t *testing.T) {
			f := sdktest.New(t)
			bob := join(t, f, "bob", Options{})
			bob.untilLive(t, 1)
			f.CloseAll(code)
			bob.untilLive(t, 2)
		})
	}
}

func TestRun_ReceiptsOfOthersCome(t *testing.T) {
	f := sdktest.New(t)
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	seq := int64(4)
	f.Everyone(frame.DeliveryAck, frame.Delivery{ConversationID: "c", UserID: "alice@x", Status: "delivered", Seq: &seq})
	f.Everyone(frame.DeliveryAck, frame.Delivery{ConversationID: "c", UserID: "alice@x", Status: "read", Seq: &seq})
	want := []frame.Receipt{
		{ConversationID: "c", UserID: "alice@x", DeliveredSeq: 4, ReadSeq: -1},
		{ConversationID: "c", UserID: "alice@x", DeliveredSeq: 4, ReadSeq: 4},
	}
	bob.until(t, "two receipts", func(us []Update) bool {
		var got []frame.Receipt
		for _, u := range us {
			if r, ok := u.(Receipt); ok {
				got = append(got, r.Receipt)
			}
		}
		return slices.Equal(got, want)
	})
}

func TestRun_SlowApplicationLosesNothing(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	bob := login(t, f, "bob", Options{Buffer: 1})
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { ended <- bob.Run(ctx) }()
	for i := range 100 {
		f.Say(conv, "alice@x", fmt.Sprint(i))
	}
	for want := 0; want < 100; {
		if m, ok := (<-bob.Events()).(Message); ok {
			if m.Content != fmt.Sprint(want) {
				t.Fatalf("message %q, want %d", m.Content, want)
			}
			want++
		}
	}
}

func TestRun_UnknownAndForeignFramesAreHarmless(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	f.Everyone("typing", map[string]any{"userId": "alice@x"})
	f.Everyone(frame.ErrorFrame, frame.Error{Code: "unknown_message"})
	f.Everyone(frame.MessageAck, frame.Ack{TempID: "never sent", ConversationID: conv, Seq: 9})
	f.Say(conv, "alice@x", "still here")
	bob.untilTexts(t, "still here")
	bob.mu.Lock()
	defer bob.mu.Unlock()
	if n := count(bob.seen, isLive); n != 1 {
		t.Errorf("%d connections", n)
	}
}
