// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

// ready is a connected app with the conversations of the summaries, that printed nothing yet.
func ready(t *testing.T, f *sdktest.Server, known ...frame.Conversation) (*app, *paper) {
	t.Helper()
	a, p := appOf(t, f, true)
	for _, c := range known {
		a.all(sdk.Summary{Conversation: c})
	}
	a.all(connected())
	p.took()
	return a, p
}

func TestEnter_GroupThatOneIsAddedToHasItsName(t *testing.T) {
	f := sdktest.New(t)
	alice, bob := talk(t, f, "alice", t.TempDir()), talk(t, f, "bob", t.TempDir())
	alice.expect("connected")
	bob.expect("No conversations yet")
	alice.enter(`/group "Team Red"`)
	alice.expect("── Team Red ──")
	alice.enter("/add bob")
	bob.expect("(Team Red) alice added you")
	bob.enter(`/open "Team Red"`)
	bob.expect("── Team Red ──")
}

func TestOpen_FailureClosesWhatWasOpen(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	a.line(t.Context(), "/dm bob")
	p.took()
	for _, line := range []string{"/open nobody", "/dm b!b", "/dm alice"} {
		a.open = f.Conversations()[0]
		a.line(t.Context(), line)
		got := p.took()
		if len(got) != 1 || !strings.HasSuffix(got[0], "; bob is closed, no conversation is open now") || a.open != "" {
			t.Errorf("%s: %q, open %q", line, got, a.open)
		}
	}
	a.line(t.Context(), "not for bob")
	if n := a.client.Unsent(); n != 0 {
		t.Errorf("%d messages went to the conversation that was open before", n)
	}
}

func TestTicks_RecordsKnowWhatPointersPassOver(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	c, err := a.client.CreateDirect(t.Context(), "bob@x")
	if err != nil {
		t.Fatal(err)
	}
	f.Say(c.ConversationID, "alice@x", "while blocked")
	f.Withhold(c.ConversationID, 1)
	f.Say(c.ConversationID, "alice@x", "afterwards")
	f.Withhold(c.ConversationID, 2) // The page says sent until the record is known to be read.
	a.learn(c)
	a.all(sdk.Receipt{Receipt: frame.Receipt{ConversationID: c.ConversationID, UserID: "bob@x", DeliveredSeq: 2, ReadSeq: 2}})
	a.line(t.Context(), "/open bob")
	got := p.took()
	if len(got) != 4 || !strings.HasSuffix(got[2], "while blocked  ✓") {
		t.Errorf("said %q", got)
	}
	k := a.get(c.ConversationID)
	k.recorded(frame.Event{Seq: 2, Status: "read"})
	if one, two := k.tick(1), k.tick(2); one != tickSent || two != tickRead {
		t.Errorf("ticks %q and %q", one, two)
	}
	for seq := range int64(2 * maxKept) {
		k.receipts["bob@x"] = frame.Receipt{ReadSeq: 9999}
		k.recorded(frame.Event{Seq: seq, Status: "sent"})
	}
	if len(k.withheld) != maxKept {
		t.Errorf("%d kept", len(k.withheld))
	}
}

func TestTicks_PointersOverSeveralMessagesAreProved(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	c, err := a.client.CreateDirect(t.Context(), "bob@x")
	if err != nil {
		t.Fatal(err)
	}
	k := a.learn(c)
	for i, text := range []string{"while blocked", "afterwards"} {
		e := f.Say(c.ConversationID, "alice@x", text)
		k.sending(text, text).seq = e.Seq
		if i == 0 {
			f.Withhold(c.ConversationID, e.Seq)
		}
	}
	k.moved()
	read := sdk.Receipt{Receipt: frame.Receipt{ConversationID: c.ConversationID, UserID: "bob@x", DeliveredSeq: 2, ReadSeq: 2}}
	a.all(read, read)
	if d := cmp.Diff([]string{"✓✓ read afterwards  #2"}, p.took()); d != "" {
		t.Error(d)
	}
	if n := f.Called("GET messages"); n != 1 {
		t.Errorf("%d calls", n)
	}
	late := k.sending("late", "late")
	late.seq = f.Say(c.ConversationID, "alice@x", "late").Seq
	f.Withhold(c.ConversationID, late.seq)
	late.at = late.at.Add(-time.Minute)
	read.ReadSeq = late.seq
	a.all(read)
	if late.tick == tickRead {
		t.Error("a late receipt is believed")
	}
}

func TestRequest_IsToldOnceAndStandsInTheInboxOnly(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	ask := sdk.Request{Request: frame.Request{ConversationID: "c", SenderID: "dave@x"}}
	a.all(ask, ask)
	if d := cmp.Diff([]string{"(request) dave wants to talk: /inbox"}, p.took()); d != "" {
		t.Error(d)
	}
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		switch key {
		case "GET conversations":
			_ = json.NewEncoder(w).Encode(rest.Conversations{Conversations: []frame.Conversation{{ConversationID: "c", Type: "direct", PeerID: "dave@x", IsRequest: true}}})
		case "POST decline":
			w.WriteHeader(http.StatusNoContent)
		case "POST accept":
			_ = json.NewEncoder(w).Encode(frame.Conversation{ConversationID: "c", Type: "direct", PeerID: "dave@x"})
		default:
			return false
		}
		return true
	}
	refused := "! dave asks for a conversation that you did not accept: /inbox"
	for _, step := range [][2]string{
		{"/list", "No conversations yet: /dm NAME begins one."}, {"/open dave", refused}, {"/inbox", "  1  dave asks for a conversation"},
		{"/inbox decline 1", "declined: dave is not told"}, {"/open dave", "! you declined to talk with dave; /inbox shows who asks now"}, {"/open 1", `! no conversation "1": /list shows them, /dm NAME begins one`},
		{"/inbox declined", "  1  dave was declined"}, {"/inbox accept erin", "! you declined no request of erin: /inbox declined lists them"},
		{"/inbox accept dave", "accepted: /open dave"}, {"/inbox accept 1", "accepted: /open dave"},
	} {
		a.line(t.Context(), step[0])
		if got := strings.Join(p.took(), "|"); got != step[1] {
			t.Errorf("%s: %q, want %q", step[0], got, step[1])
		}
	}
	if n := len(a.current()); n != 1 {
		t.Errorf("%d conversations after accepting", n)
	}
}

func TestMute_SilencesAllButMentions(t *testing.T) {
	later := time.Now().Add(time.Hour).UnixMilli()
	a, p := ready(t, sdktest.New(t),
		frame.Conversation{ConversationID: "muted", Name: "muted", HeadSeq: 0, MutedUntil: later, Notifications: "all"},
		frame.Conversation{ConversationID: "none", Name: "none", HeadSeq: 0, MutedUntil: later, Notifications: "none"},
		frame.Conversation{ConversationID: "was", Name: "was", HeadSeq: 0, MutedUntil: 1, Notifications: "all"},
	)
	seq := int64(0)
	for _, conv := range []string{"muted", "none", "was"} {
		plain, calling := said(conv, seq+1, "bob@x", "plain"), said(conv, seq+2, "bob@x", "calling")
		calling.Mentions = []string{a.self}
		a.all(plain, calling)
	}
	if d := cmp.Diff([]string{"(muted) bob: calling", "(was) bob: plain", "(was) bob: calling"}, p.took()); d != "" {
		t.Error(d)
	}
	a.all(sdk.Prefs{Prefs: frame.Prefs{ConversationID: "muted", Notifications: "all"}}, said("muted", 3, "bob@x", "again"))
	if d := cmp.Diff([]string{"(muted) bob: again"}, p.took()); d != "" {
		t.Error(d)
	}
}

func TestList_TellsHowConversationsStand(t *testing.T) {
	later := time.Now().Add(time.Hour).UnixMilli()
	gone := frame.Event{Type: frame.TypeMessage, SenderID: "bob@x", DeletedAt: 1}
	blocked := frame.Event{Type: frame.TypeMessage, SenderID: "bob@x", Withheld: "blocked"}
	a, p := ready(t, sdktest.New(t),
		frame.Conversation{ConversationID: "a", Name: "new", LastMessageAt: 4, MutedUntil: later, LastMessage: &gone},
		frame.Conversation{ConversationID: "b", Name: "top", LastMessageAt: 1, IsPinned: true, MarkedUnread: true, LastMessage: &blocked},
		frame.Conversation{ConversationID: "c", Name: "away", LastMessageAt: 2, IsArchived: true},
		frame.Conversation{ConversationID: "d", PeerID: "eve@x", LastMessageAt: 9, IsHidden: true},
	)
	short := []string{"  1  top (unread) (pinned)  bob: (blocked)", "  2  new (muted)  bob: (deleted)"}
	a.line(t.Context(), "/list")
	if d := cmp.Diff(short, p.took()); d != "" {
		t.Error(d)
	}
	a.line(t.Context(), "/list all")
	if d := cmp.Diff(append(short, "  3  away (archived)"), p.took()); d != "" {
		t.Error(d)
	}
	a.line(t.Context(), "/list some")
	if d := cmp.Diff([]string{"! usage: /list [all]"}, p.took()); d != "" {
		t.Error(d)
	}
}
