// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

// answering makes the server answer calls by their key; nil is done without content.
func answering(f *sdktest.Server, answers map[string]any) *[]string {
	var calls []string
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		calls = append(calls, key)
		answer, ok := answers[key]
		switch {
		case !ok:
			return false
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
		return true
	}
	return &calls
}

// says runs lines and compares what is said, in one string.
func (a *app) says(t *testing.T, p *paper, steps [][2]string) {
	t.Helper()
	for _, step := range steps {
		a.line(t.Context(), step[0])
		if got := strings.Join(p.took(), "|"); got != step[1] {
			t.Errorf("%s: %q, want %q", step[0], got, step[1])
		}
	}
}

func TestWordsOf_TextIsKeptAsItWasTyped(t *testing.T) {
	for in, want := range map[string][]string{
		"/edit 3   two  spaces ":   {"/edit", "3", "  two  spaces "},
		`/reply last say "hi`:      {"/reply", "last", `say "hi`},
		"/draft  x  y":             {"/draft", " x  y"},
		"/draft":                   {"/draft"},
		"/edit last  ":             {"/edit", "last"},
		"/report 3 spam a  b":      {"/report", "3", "spam", "a  b"},
		`/forward 3 "The  Band"`:   {"/forward", "3", `"The  Band"`},
		`/group "The  Band" carol`: {"/group", "The  Band", "carol"},
	} {
		if got, err := wordsOf(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestCommands_SayThatTheyWereDone(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	a.open = f.Converse("alice@x", "bob@x")
	f.Say(a.open, "bob@x", "look")
	a.line(t.Context(), "/history")
	p.took()
	m := a.get(a.open).messages[0].MessageID
	name := a.title(a.get(a.open))
	answering(f, map[string]any{
		"PUT settings": frame.Conversation{ConversationID: a.open, Type: "group", HeadSeq: 1}, "PUT star": nil, "DELETE star": nil,
		"PUT bob@x": nil, "DELETE bob@x": nil, "DELETE " + m: nil, "GET bob@x": rest.Profile{UserID: "bob@x", DisplayName: "Bob\x1b"},
		"GET edits": rest.Edits{Versions: []rest.Version{{Timestamp: 1, Content: "loko"}, {Timestamp: 2, Content: "look"}}},
	})
	a.says(t, p, [][2]string{
		{"/mute always", name + " is muted"}, {"/mute off", name + " is no longer muted"}, {"/archive", name + " is archived: /list all shows it"},
		{"/archive off", name + " is back in the list"}, {"/pinchat", name + " stays at the top"}, {"/unread", name + " is marked unread"},
		{"/notify Mentions", name + " tells you only what mentions you"}, {"/draft so far", name + " keeps the draft"}, {"/draft -", name + " has no draft any more"},
		{"/star 1", "starred #1: look"}, {"/star off last", "took the star off #1: look"}, {"/star 1 2", "! usage: /star [off] [N|last]"},
		{"/block bob", "bob is blocked"}, {"/unblock bob", "bob is no longer blocked"}, {"/profile bob", "bob@x|  name: Bob\uFFFD"},
		{"/delete 1", "deleted #1: look"}, {"/deleteforme 1", "deleted for you alone #1: look"},
		{"/report 1", "! usage: /report N|last REASON [TEXT]; the reasons are spam, harassment, violence, sexual, child_safety, impersonation, illegal, other"},
		{"/report 1 boring", `! no reason "boring"; they are spam, harassment, violence, sexual, child_safety, impersonation, illegal, other`},
	})
	if a.get(a.open).kept(m) != nil {
		t.Error("what was deleted for the user is still kept")
	}
	a.line(t.Context(), "/edits 1")
	if got := p.lines; len(got) != 2 || !strings.HasSuffix(got[0], " loko") || !strings.HasSuffix(got[1], " look") {
		t.Errorf("edits %q", got)
	}
}

func TestLists_SayThatTheyAreEmpty(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	a.open = f.Converse("alice@x", "bob@x")
	answering(f, map[string]any{
		"GET pins": rest.Messages{}, "GET starred": rest.Messages{}, "GET links": rest.Links{}, "GET requests": rest.JoinRequests{}, "GET bans": rest.Bans{},
		"GET blocks": rest.Blocks{}, "GET edits": rest.Edits{},
	})
	f.Say(a.open, "bob@x", "look")
	a.says(t, p, [][2]string{
		{"/pins", "nothing is pinned"}, {"/starred", "nothing is starred"}, {"/link list", "there are no invite links"}, {"/requests", "nobody asks to join"},
		{"/ban", "nobody is banned"}, {"/blocks", "you block nobody"}, {"/edits 1", "it was never edited"},
	})
}

func TestSettings_AreCalledAsTheSpecCallsThem(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	now := rest.Settings{ReadReceipts: true, LastSeen: "contacts", Online: "nobody", WhoMayMessage: "everyone", WhoMayAdd: "contacts"}
	answering(f, map[string]any{"GET settings": now, "PUT settings": now})
	a.line(t.Context(), "/settings")
	if got := p.took(); len(got) != 5 || !strings.HasPrefix(got[0], "  readReceipts   on ") || !strings.Contains(got[3], "(everyone|contacts|nobody)") {
		t.Errorf("said %q", got)
	}
	a.says(t, p, [][2]string{
		{"/settings READRECEIPTS yes", "readReceipts is on"}, {"/settings whomayadd Contacts", "whoMayAdd is contacts"},
		{"/settings whomayadd all", "! usage: /settings whoMayAdd everyone|contacts|nobody"},
	})
}

func TestDraft_IsShownOnOpeningAndSpentBySending(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	c, err := a.client.CreateDirect(t.Context(), "bob@x")
	if err != nil {
		t.Fatal(err)
	}
	a.learn(c)
	c.Draft = "dear\nbob"
	answering(f, map[string]any{"GET " + c.ConversationID: c, "PUT settings": frame.Conversation{ConversationID: c.ConversationID, PeerID: "bob@x"}})
	a.line(t.Context(), "/open bob")
	if got := p.took(); len(got) != 3 || got[2] != "(draft) dear⏎bob" {
		t.Errorf("said %q", got)
	}
	a.says(t, p, [][2]string{{"dear bob", "… dear bob"}})
	if got := a.get(c.ConversationID).Draft; got != "" {
		t.Errorf("draft %q after sending", got)
	}
}

func TestMentions_NameMembersOnly(t *testing.T) {
	a, _ := ready(t, sdktest.New(t))
	a.open = "g"
	c := a.get("g")
	c.with("bob@x")
	c.with("carol@y")
	if got := a.mentions("@bob, ask @carol@y and @dave about bob@x (@Bob!) @"); !slices.Equal(got, []string{"bob@x", "carol@y"}) {
		t.Errorf("mentions %q", got)
	}
	c.without("bob@x")
	if got := a.mentions("@bob @all"); !slices.Equal(got, []string{"all"}) {
		t.Errorf("mentions %q", got)
	}
	c.PeerID = "bob@x"
	if got := a.mentions("@all"); got != nil {
		t.Errorf("mentions in a direct conversation: %q", got)
	}
}

func TestReply_SaysToWhomAtOnce(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	a.open = f.Converse("alice@x", "bob@x")
	f.Say(a.open, "bob@x", "look")
	a.line(t.Context(), "/history")
	p.took()
	a.says(t, p, [][2]string{{"/reply 1 I  do", "… (to bob, #1) I  do"}})
	a.plain = false
	a.says(t, p, [][2]string{{"/reply last again", "you: (to bob, #1) again"}})
}

func TestOlder_GoesBackToTheBeginning(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	a.open = f.Converse("alice@x", "bob@x")
	for _, text := range []string{"one", "two", "three"} {
		f.Say(a.open, "bob@x", text)
	}
	var got []string
	for _, line := range []string{"/older 1", "/older 2", "/older", "/older", "/older 0"} {
		a.line(t.Context(), line)
		for _, l := range p.lines {
			got = append(got, l[strings.LastIndex(l, " ")+1:])
		}
		p.lines = nil
	}
	if d := cmp.Diff([]string{"three", "one", "two", "group", "beginning.", "200]"}, got); d != "" {
		t.Error(d)
	}
}

func TestOwner_SuccessionIsTold(t *testing.T) {
	f := sdktest.New(t)
	a, p := ready(t, f)
	a.open = f.Converse("alice@x", "bob@x", "carol@x")
	answering(f, map[string]any{"GET members": rest.Members{Members: []rest.Member{{UserID: "alice@x", Role: "member"}, {UserID: "carol@x", Role: "owner"}}}})
	c := a.get(a.open)
	event := func(seq int64, kind, sender string, change *frame.Change) sdk.Update {
		return sdk.StateChange{Event: frame.Event{ConversationID: a.open, Seq: seq, Type: kind, SenderID: sender, Change: change, Timestamp: 1}}
	}
	a.all(event(1, frame.TypeMemberRole, "dave@x", &frame.Change{UserIDs: []string{"bob@x"}, Role: "owner"}))
	a.all(event(2, frame.TypeMemberLeave, "bob@x", nil))
	if got := p.took(); len(got) != 3 || got[2] != "* carol is the owner now" || !c.owners["carol@x"] {
		t.Errorf("said %q, owners %v", got, c.owners)
	}
	a.all(event(3, frame.TypeOwnerTransfer, "carol@x", &frame.Change{UserIDs: []string{a.self}}), event(4, frame.TypeMemberLeave, "carol@x", nil))
	if got := p.took(); len(got) != 2 || !c.owners[a.self] {
		t.Errorf("said %q, owners %v", got, c.owners)
	}
}

func TestGovern_SpansAndPinsAreInWords(t *testing.T) {
	for seconds, want := range map[int64]string{0: "off", 1: "1 second", 60: "1 minute", 90: "90 seconds", 7200: "2 hours", 86400: "1 day", 604800: "7 days"} {
		if got := spanOf(seconds); got != want {
			t.Errorf("%d: %q, want %q", seconds, got, want)
		}
	}
	a, _ := ready(t, sdktest.New(t))
	m := said("c", 3, "bob@x", "look")
	a.all(m)
	if got := a.describe(frame.Event{ConversationID: "c", Type: frame.TypePin, SenderID: "bob@x", TargetMessageID: m.MessageID}); got != "bob pinned #3: look" {
		t.Errorf("said %q", got)
	}
	if got := a.describe(frame.Event{Type: frame.TypeCreate, SenderID: "bob@x", Change: &frame.Change{ConversationType: "channel"}}); got != "bob created the channel" {
		t.Errorf("said %q", got)
	}
}

func TestHelp_IsByTopicAndByCommand(t *testing.T) {
	a, p := ready(t, sdktest.New(t))
	a.line(t.Context(), "/help")
	text := strings.Join(p.took(), "\n")
	for name := range commands() {
		if !strings.Contains(text+" ", " "+name) {
			t.Errorf("no %s in the short help", name)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("too long: %s", line)
		}
	}
	for _, what := range []string{"/help mute", "/help /mute"} {
		a.line(t.Context(), what)
		if got := p.took(); len(got) != 1 || !strings.Contains(got[0], "/mute 8h|7d|always|off ") {
			t.Errorf("%s: %q", what, got)
		}
	}
	a.line(t.Context(), "/help account")
	if got := p.took(); len(got) != len(accountCommands())+1 {
		t.Errorf("said %q", got)
	}
	a.says(t, p, [][2]string{{"/help nonsense", `! no command and no topic is called "nonsense": /help lists them`}})
}
