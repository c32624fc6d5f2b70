// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"slices"
	"testing"
	"time"

	"parley.chat/protocol/frame"
)

func TestModel_UserIDsAreCompletedWithTheOwnServer(t *testing.T) {
	m := newModel("alice@x.org")
	for in, want := range map[string]string{"bob": "bob@x.org", "@Bob": "bob@x.org", "bob@y": "bob@y", "@bob@y": "bob@y"} {
		if got, err := m.userID(in); got != want || err != nil {
			t.Errorf("userID(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{"alice@x.org": "you", "bob@x.org": "bob", "bob@y": "bob@y", "b\x1b@y": "b\uFFFD@y"} {
		if got := m.person(in); got != want {
			t.Errorf("person(%q) = %q, want %q", in, got, want)
		}
	}
}

func message(conv string, seq int64, sender string) frame.Event {
	return frame.Event{ConversationID: conv, Seq: seq, Type: frame.TypeMessage, SenderID: sender, Timestamp: seq}
}

func TestModel_UnreadCountsEachMessageOnce(t *testing.T) {
	m := newModel("alice@x")
	m.learn(frame.Conversation{ConversationID: "c", HeadSeq: 3, UnreadCount: 2})
	for _, e := range []frame.Event{message("c", 2, "bob@x"), message("c", 3, "bob@x"), message("c", 4, "bob@x"), message("c", 4, "bob@x"), message("c", 5, "alice@x")} {
		m.note(e)
	}
	if c := m.get("c"); c.UnreadCount != 3 || c.HeadSeq != 5 {
		t.Errorf("unread %d, head %d", c.UnreadCount, c.HeadSeq)
	}
	m.learn(frame.Conversation{ConversationID: "c", HeadSeq: 4, UnreadCount: 99})
	if n := m.get("c").UnreadCount; n != 3 {
		t.Errorf("an old summary won: unread %d", n)
	}
	m.receipt(frame.Receipt{ConversationID: "c", UserID: "alice@x", ReadSeq: 5})
	if n := m.get("c").UnreadCount; n != 0 {
		t.Errorf("read elsewhere, yet unread %d", n)
	}
}

func TestModel_TicksOnlyMoveForward(t *testing.T) {
	m := newModel("alice@x")
	c := m.get("c")
	o := c.sending("t", "hello")
	step := func(want string, r frame.Receipt) {
		t.Helper()
		r.ConversationID = "c"
		m.receipt(r)
		c.moved()
		if o.tick != want {
			t.Errorf("tick %q, want %q", o.tick, want)
		}
	}
	step(tickQueued, frame.Receipt{UserID: "bob@x", DeliveredSeq: 1, ReadSeq: 1})
	o.seq = 2
	step(tickSent, frame.Receipt{UserID: "alice@x", DeliveredSeq: 9, ReadSeq: 9})
	step(tickDelivered, frame.Receipt{UserID: "bob@x", DeliveredSeq: 2, ReadSeq: -1})
	step(tickRead, frame.Receipt{UserID: "bob@x", DeliveredSeq: -1, ReadSeq: 2})
	step(tickRead, frame.Receipt{UserID: "bob@x", DeliveredSeq: 2, ReadSeq: 0})
}

func TestModel_OwnMessagesAreBounded(t *testing.T) {
	c := newModel("alice@x").get("c")
	for i := range maxOwn + 5 {
		c.sending(string(rune('a'+i)), "x")
	}
	if len(c.own) != maxOwn || c.find("a") != nil || c.find(string(rune('a'+maxOwn))) == nil {
		t.Errorf("%d kept", len(c.own))
	}
}

func TestModel_ListIsNewestFirstWithoutLeftOnes(t *testing.T) {
	m := newModel("alice@x")
	m.learn(frame.Conversation{ConversationID: "old", LastMessageAt: 1})
	m.learn(frame.Conversation{ConversationID: "new", LastMessageAt: 2})
	m.learn(frame.Conversation{ConversationID: "left", LastMessageAt: 3, Membership: "left"})
	m.list(false)
	if want := []string{"new", "old"}; !slices.Equal(m.listed, want) {
		t.Errorf("listed %q, want %q", m.listed, want)
	}
}

func TestModel_CreateEventNamesTheConversation(t *testing.T) {
	m := newModel("bob@x")
	m.note(frame.Event{ConversationID: "d", Type: frame.TypeCreate, SenderID: "alice@x", Change: &frame.Change{ConversationType: "direct", UserIDs: []string{"alice@x", "bob@x"}}})
	m.note(frame.Event{ConversationID: "g", Type: frame.TypeCreate, SenderID: "alice@x", Change: &frame.Change{ConversationType: "group", Name: "band\n"}})
	if d, g := m.title(m.get("d")), m.title(m.get("g")); d != "alice" || g != "band⏎" {
		t.Errorf("titles %q, %q", d, g)
	}
	m.note(frame.Event{ConversationID: "g", Seq: 1, Type: frame.TypeRename, SenderID: "alice@x", Change: &frame.Change{Name: "choir"}})
	if g := m.title(m.get("g")); g != "choir" {
		t.Errorf("title %q", g)
	}
}

func TestDescribe_SaysEveryType(t *testing.T) {
	a := &app{model: newModel("alice@x")}
	bob := &frame.Change{UserIDs: []string{"bob@x"}, Role: "admin", Name: "new"}
	for kind, want := range map[string]string{
		frame.TypeCreate:       "carol created the conversation",
		frame.TypeMemberAdd:    "carol added bob",
		frame.TypeMemberRemove: "carol removed bob",
		frame.TypeMemberLeave:  "carol left",
		frame.TypeMemberRole:   "carol made bob admin",
		frame.TypeRename:       "carol renamed it to new",
		"future\n":             "carol did something this client does not know (future⏎)",
	} {
		if got := a.describe(frame.Event{Type: kind, SenderID: "carol@x", Change: bob}); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

func TestContentOf_NamesWhatATerminalCannotShow(t *testing.T) {
	cases := map[string]frame.Event{
		"text":                  {Content: "text"},
		"(encrypted)":           {EncryptedContent: "x"},
		"[image /m/1] a sunset": {ContentType: "image", MediaURL: "/m/1", Content: "a sunset"},
	}
	for want, e := range cases {
		if got := contentOf(e); got != want {
			t.Errorf("content %q, want %q", got, want)
		}
	}
}

func TestClock_TellsTheDayOfOtherDays(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	if got := clock(now.Add(-time.Hour).UnixMilli(), now); got != "11:00" {
		t.Errorf("today %q", got)
	}
	if got := clock(now.AddDate(0, 0, -1).UnixMilli(), now); got != "Nov 22 12:00" {
		t.Errorf("yesterday %q", got)
	}
}

func TestSplit_KeepsQuotedSpaces(t *testing.T) {
	cases := map[string][]string{
		"/open 3":             {"/open", "3"},
		`/group "the band" b`: {"/group", "the band", "b"},
		"  /a   b ":           {"/a", "b"},
		`/rename ""`:          {"/rename", ""},
	}
	for in, want := range cases {
		if got, err := split(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("split(%q) = %q, %v", in, got, err)
		}
	}
	if _, err := split(`/group "open`); err == nil {
		t.Error("an open quote is accepted")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`/group "a b" c`)
	f.Fuzz(func(t *testing.T, s string) {
		words, err := split(s)
		if err != nil && len(words) > 0 {
			t.Errorf("split(%q) = %q and %v", s, words, err)
		}
	})
}
