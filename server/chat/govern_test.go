// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

func TestGovern_CommandsAskTheServerForWhatTheySay(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.open = f.Converse("alice@x", "bob@x")
	pinned := frame.Event{ConversationID: a.open, Seq: 1, Type: "message", SenderID: "bob@x", Content: "look\x1b[31m", Timestamp: 1}
	answers := []struct {
		key    string
		answer any
	}{
		{"GET links", rest.Links{Links: []rest.Link{{LinkID: "L1", CreatedBy: "alice@x", Uses: 2}}}},
		{"POST links", rest.Link{LinkID: "L2", Token: "pl_secret"}},
		{"GET bans", rest.Bans{Bans: []rest.Ban{{UserID: "mallory@x", BannedBy: "alice@x"}}}},
		{"GET requests", rest.JoinRequests{Requests: []rest.JoinRequest{{UserID: "carol@x"}}}},
		{"GET pins", rest.Messages{Messages: []frame.Event{pinned}}},
		{"POST join", rest.JoinRequested{ConversationID: "c", Status: "requested"}},
	}
	last := ""
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		last = key
		for _, one := range answers {
			if one.key == key {
				_ = json.NewEncoder(w).Encode(one.answer)
				return true
			}
		}
		switch {
		case strings.HasSuffix(key, " erin@x"):
			sdktest.Refuse(w, fault.New(fault.InsufficientRole, "you may ban members of a lower role only"))
		case strings.HasSuffix(key, "@x"), strings.HasSuffix(key, " owner"), strings.HasSuffix(key, " hub"), strings.HasSuffix(key, " L1"):
			w.WriteHeader(http.StatusNoContent)
		default:
			return false
		}
		return true
	}
	for _, step := range []struct{ line, call, want string }{
		{"/ban mallory", "PUT mallory@x", ""},
		{"/ban erin", "PUT erin@x", "! you may ban members of a lower role only"},
		{"/unban mallory", "DELETE mallory@x", ""},
		{"/ban", "GET bans", "  mallory, by you"},
		{"/link", "POST links", "Whoever has this may join: /join pl_secret"},
		{"/link list", "GET links", "  1  by you, used 2 times"},
		{"/link revoke 1", "DELETE L1", ""},
		{"/link revoke 2", "GET links", "! no link has this number: /link list"},
		{"/link what", "", "! usage: /link [ask|revoke N|list]"},
		{"/join pl_secret", "POST join", "You asked to join; a member has to let you in."},
		{"/requests", "GET requests", "  carol"},
		{"/approve carol", "POST carol@x", ""},
		{"/decline carol", "DELETE carol@x", ""},
		{"/transfer bob", "POST owner", ""},
		{"/hub b.example", "POST hub", ""},
		{"/slow soon", "", "! usage: /slow off|SECONDS"},
		{"/timer 3d", "", "! usage: /timer off|1d|7d|90d"},
		{"/permissions send", "", "! usage: /permissions [WHAT ROLE]"},
		{"/permissions fly admin", "", "! no permission \"fly\"; they are send, invite, editInfo, pin, remove, ban, deleteOthers, mentionAll, manageLinks, changeSettings"},
		{"/permissions SEND king", "", "! no role \"king\": a permission is of owner, admin or member"},
	} {
		last = ""
		a.line(t.Context(), step.line)
		if got := strings.Join(p.took(), "|"); got != step.want || last != step.call {
			t.Errorf("%s: %q after %q, want %q after %q", step.line, got, last, step.want, step.call)
		}
	}
	a.line(t.Context(), "/pins")
	if got := strings.Join(p.took(), "|"); !strings.Contains(got, "bob: look") || strings.Contains(got, "\x1b") {
		t.Errorf("/pins: %q", got)
	}
}

func TestGovern_EventsAreToldInWords(t *testing.T) {
	f := sdktest.New(t)
	a, _ := appOf(t, f, true)
	a.self = "alice@x"
	text, timer, slow, yes := "Every \x1bThursday", int64(604800), int64(30), true
	for _, step := range []struct {
		e    frame.Event
		want string
	}{
		{frame.Event{Type: frame.TypeSettings, Change: &frame.Change{Description: &text, Permissions: map[string]string{"send": "admin"}}}, "who may send to admin"},
		{frame.Event{Type: frame.TypeSettings, Change: &frame.Change{EphemeralTimer: &timer, SlowMode: &slow, HistoryVisibility: "shared", ServerSearch: &yes, AvatarURL: &text}},
			"the picture, the timer to 7 days, the history to shared, slow mode to 30 seconds, the search of words to on"},
		{frame.Event{Type: frame.TypeMemberBan, Change: &frame.Change{UserIDs: []string{"carol@x"}}}, "bob banned carol"},
		{frame.Event{Type: frame.TypeMemberUnban, Change: &frame.Change{UserIDs: []string{"carol@x"}}}, "lifted the ban of carol"},
		{frame.Event{Type: frame.TypeOwnerTransfer, Change: &frame.Change{UserIDs: []string{"carol@x"}}}, "over to carol"},
		{frame.Event{Type: frame.TypeMemberJoin}, "bob joined by a link"},
		{frame.Event{Type: frame.TypeJoinRequest}, "bob asks to join"},
		{frame.Event{Type: frame.TypeJoinDecline, Change: &frame.Change{UserIDs: []string{"carol@x"}}}, "declined carol"},
		{frame.Event{Type: frame.TypeLinkCreate}, "made an invite link"},
		{frame.Event{Type: frame.TypeLinkRevoke}, "revoked an invite link"},
		{frame.Event{Type: frame.TypePin}, "pinned a message"},
		{frame.Event{Type: frame.TypeUnpin}, "unpinned a message"},
	} {
		step.e.SenderID = "bob@x"
		if got := a.describe(step.e); !strings.Contains(got, step.want) || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %q, want %q in it", step.e.Type, got, step.want)
		}
	}
	c := a.get("c")
	a.membership(c, frame.Event{Type: frame.TypeMemberJoin, SenderID: "alice@x"})
	if c.Membership != "joined" {
		t.Errorf("after joining: %s", c.Membership)
	}
	a.membership(c, frame.Event{Type: frame.TypeMemberBan, Change: &frame.Change{UserIDs: []string{"alice@x"}}})
	if c.Membership != "banned" {
		t.Errorf("after the ban: %s", c.Membership)
	}
}
