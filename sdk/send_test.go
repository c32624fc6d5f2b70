// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/sdk/sdktest"
)

// sendThrough sends a text through a server that treats the first try as told, and expects one message.
func sendThrough(t *testing.T, first sdktest.Verdict) *sdktest.Server {
	t.Helper()
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.OnSend = func(n int, _ frame.Send) sdktest.Verdict {
		if n == 1 {
			return first
		}
		return sdktest.Verdict{}
	}
	alice, bob := join(t, f, "alice", Options{}), join(t, f, "bob", Options{})
	alice.untilLive(t, 1)
	if _, err := alice.SendText(t.Context(), conv, "once"); err != nil {
		t.Fatal(err)
	}
	if got := f.Stored(conv); !slices.Equal(got, []string{"once"}) {
		t.Errorf("stored %q", got)
	}
	alice.untilTexts(t, "once")
	bob.untilTexts(t, "once")
	if n := alice.Unsent(); n != 0 {
		t.Errorf("%d unsent", n)
	}
	return f
}

func TestSend_ConnectionDropsBeforeTheServerStores(t *testing.T) {
	f := sendThrough(t, sdktest.Verdict{Drop: true, NoStore: true})
	got := f.Received(frame.SendMessage)
	if len(got) != 2 || got[0] != got[1] {
		t.Errorf("sent %q", got)
	}
}

func TestSend_AckIsLostWithTheConnection(t *testing.T) {
	sendThrough(t, sdktest.Verdict{Drop: true, NoAck: true})
}

func TestSend_UnavailableIsTriedAgainWithTheSameTempID(t *testing.T) {
	f := sendThrough(t, sdktest.Verdict{Refuse: &frame.Error{Code: "unavailable", RetryAfterMs: 5}})
	got := f.Received(frame.SendMessage)
	if len(got) != 2 || got[0] != got[1] {
		t.Errorf("sent %q", got)
	}
}

func TestSend_SyncRequiredSyncsAndTriesAgain(t *testing.T) {
	f := sendThrough(t, sdktest.Verdict{Refuse: &frame.Error{Code: "sync_required"}})
	if n := len(f.Received(frame.SyncFrame)); n != 3 {
		t.Errorf("%d sync frames of two clients", n)
	}
}

func TestSend_ExpiredTokenIsRefreshedAndTriedAgain(t *testing.T) {
	f := sendThrough(t, sdktest.Verdict{Refuse: &frame.Error{Code: "token_expired"}})
	if n := f.Called("POST refresh"); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestSend_RefusalForGoodFails(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x")
	f.OnSend = func(n int, _ frame.Send) sdktest.Verdict {
		if n == 1 {
			return sdktest.Verdict{Refuse: &frame.Error{Code: "not_member", Message: "no longer"}}
		}
		return sdktest.Verdict{}
	}
	store := NewMemoryStore()
	alice := join(t, f, "alice", Options{Store: store})
	alice.untilLive(t, 1)
	if _, err := alice.SendText(t.Context(), conv, "no"); !fault.Is(err, fault.NotMember) {
		t.Fatalf("error %v", err)
	}
	alice.until(t, "failure", func(us []Update) bool {
		return count(us, func(u Update) bool { s, ok := u.(SendFailed); return ok && s.Send.Content == "no" }) == 1
	})
	if _, err := alice.SendText(t.Context(), conv, "yes"); err != nil {
		t.Fatal(err)
	}
	alice.until(t, "ack", func(us []Update) bool { // What is told is stored before.
		return count(us, func(u Update) bool { _, ok := u.(Acked); return ok }) == 1
	})
	st, err := store.Load(t.Context())
	if err != nil || len(st.Outbox) != 0 {
		t.Errorf("stored outbox %v, %v", st.Outbox, err)
	}
}

func TestSend_OrderOfAConversationIsKeptThroughTrouble(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.OnSend = func(n int, _ frame.Send) sdktest.Verdict {
		switch n % 5 {
		case 1:
			return sdktest.Verdict{Refuse: &frame.Error{Code: "unavailable", RetryAfterMs: 1}}
		case 2:
			return sdktest.Verdict{Drop: true, NoAck: true}
		case 3:
			return sdktest.Verdict{Drop: true, NoStore: true}
		}
		return sdktest.Verdict{}
	}
	alice, bob := join(t, f, "alice", Options{}), join(t, f, "bob", Options{})
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
		if _, err := alice.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	alice.untilTexts(t, want...)
	bob.untilTexts(t, want...)
	acks := func(us []Update) bool {
		return count(us, func(u Update) bool { _, ok := u.(Acked); return ok }) == len(want)
	}
	alice.until(t, "acks", acks)
}

func TestSend_AcceptedIsToldAndThenSent(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.OnSend = func(int, frame.Send) sdktest.Verdict {
		return sdktest.Verdict{Answer: &frame.Ack{Status: frame.Accepted}}
	}
	alice := join(t, f, "alice", Options{})
	if _, err := alice.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: "hi"}); err != nil {
		t.Fatal(err)
	}
	alice.until(t, "accepted, then acked", func(us []Update) bool {
		return count(us, func(u Update) bool { _, ok := u.(Accepted); return ok }) == 1 && count(us, func(u Update) bool { _, ok := u.(Acked); return ok }) == 1
	})
	if n := alice.Unsent(); n != 0 {
		t.Errorf("%d are in the outbox", n)
	}
}

func TestSend_AcceptedMayBeRefusedLater(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	f.OnSend = func(n int, _ frame.Send) sdktest.Verdict {
		return sdktest.Verdict{NoStore: true, Answer: &frame.Ack{Status: frame.Failed, Code: "not_member", Message: "you left"}}
	}
	alice := join(t, f, "alice", Options{})
	if _, err := alice.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: "hi"}); err != nil {
		t.Fatal(err)
	}
	alice.until(t, "refused", func(us []Update) bool {
		return count(us, func(u Update) bool { e, ok := u.(SendFailed); return ok && fault.Is(e.Err, fault.NotMember) }) == 1
	})
	if n := alice.Unsent(); n != 0 {
		t.Errorf("%d are in the outbox", n)
	}
}

func TestSend_QueueSurvivesARestart(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x")
	store, err := OpenFileStore(t.TempDir() + "/state.json")
	if err != nil {
		t.Fatal(err)
	}
	before := login(t, f, "alice", Options{Store: store})
	tempID, err := before.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: "later"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenFileStore(store.path)
	if err != nil {
		t.Fatal(err)
	}
	after := join(t, f, "alice", Options{Store: again})
	after.until(t, "ack", func(us []Update) bool {
		return count(us, func(u Update) bool { a, ok := u.(Acked); return ok && a.TempID == tempID }) == 1
	})
	if got := f.Stored(conv); !slices.Equal(got, []string{"later"}) {
		t.Errorf("stored %q", got)
	}
}

func TestSend_EndOfContextTakesTheMessageBack(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x")
	c := login(t, f, "alice", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.SendText(ctx, conv, "never"); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	st, err := c.store.Load(t.Context())
	if err != nil || c.Unsent() != 0 || len(st.Outbox) != 0 {
		t.Errorf("left: %d, %v, %v", c.Unsent(), st.Outbox, err)
	}
}

func TestSend_ChecksBeforeQueueing(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x")
	c := login(t, f, "alice", Options{OutboxLimit: 1})
	cases := map[fault.Code]frame.Send{
		fault.InvalidField:    {Content: "nowhere"},
		fault.ContentTooLarge: {ConversationID: conv, Content: strings.Repeat("x", maxContent+1)},
		fault.FrameTooLarge:   {ConversationID: conv, Content: strings.Repeat("\x01", maxContent)},
	}
	for want, in := range cases {
		if _, err := c.SendAsync(t.Context(), in); !fault.Is(err, want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := c.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: strings.Repeat("<", maxContent)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: "too many"}); !fault.Is(err, fault.RateLimited) {
		t.Errorf("error %v", err)
	}
}

func TestPoll_WorksWhereSocketsAreRefused(t *testing.T) {
	f := sdktest.New(t)
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if key == "GET ws" {
			w.WriteHeader(http.StatusForbidden)
		}
		return key == "GET ws"
	}
	conv := f.Converse("alice@x", "bob@x")
	f.OnSend = func(n int, _ frame.Send) sdktest.Verdict {
		if n == 1 {
			return sdktest.Verdict{Refuse: &frame.Error{Code: "unavailable"}}
		}
		return sdktest.Verdict{}
	}
	alice, bob := join(t, f, "alice", Options{}), join(t, f, "bob", Options{})
	if _, err := alice.SendText(t.Context(), conv, "by poll"); err != nil {
		t.Fatal(err)
	}
	bob.untilTexts(t, "by poll")
	f.Say(conv, "carol@x", "and back")
	alice.untilTexts(t, "by poll", "and back")
}

func TestPoll_RefusedCursorStartsAgainWithout(t *testing.T) {
	f := sdktest.New(t)
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if key == "GET ws" {
			w.WriteHeader(http.StatusNotImplemented)
		}
		return key == "GET ws"
	}
	conv := f.Converse("alice@x", "bob@x")
	f.Say(conv, "alice@x", "one")
	store := NewMemoryStore()
	login(t, f, "bob", Options{Store: store})
	if err := store.Update(t.Context(), func(s *State) { s.Cursor = "bad" }); err != nil {
		t.Fatal(err)
	}
	join(t, f, "bob", Options{Store: store}).untilTexts(t, "one")
}
