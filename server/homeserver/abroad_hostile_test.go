// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
	"parley.chat/server/config"
)

// ask has a server ask another, whatever it is; the answer goes nowhere.
func ask(t *testing.T, from *testenv.Server, to id.Server, path string, in any) error {
	t.Helper()
	var out map[string]any
	return from.Home.Peers().Call(t.Context(), to, path, in, &out)
}

func TestAbroad_AServerSpeaksForItsOwnUsersOnly(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	alice, bob := id.User(w.alice.ID), id.User(w.bob.ID)
	group := event.Create{Creators: []id.User{alice}, Hub: "a.test", Members: []id.User{alice}, Type: event.Group}
	for path, in := range map[string]any{
		replica.UsersPath:    replica.AskUsers{UserIDs: []id.User{alice}, ViewerID: alice},
		replica.InvitesPath:  replica.AskInvite{Create: group, InviterID: "carl@c.test", UserIDs: []id.User{alice}},
		replica.PresencePath: replica.AskPresence{Asks: []replica.Watch{{ViewerID: bob, UserIDs: []id.User{alice}}, {ViewerID: "carl@c.test", UserIDs: []id.User{alice}}}},
		replica.LinksPath:    replica.AskLink{ConversationID: event.ConversationID(nil), LinkID: "AAECAwQFBgcICQoL", Secret: "AAECAwQFBgcICQoLDA0ODw", UserID: alice},
	} {
		wantRefusal(t, ask(t, w.b, "a.test", path, in), "invalid_field")
	}
	for path, in := range map[string]any{
		replica.UsersPath:    map[string]any{"userIds": []string{}},
		replica.InvitesPath:  map[string]any{"create": "{}", "inviterId": bob, "userIds": []string{w.alice.ID}},
		replica.PresencePath: map[string]any{"asks": "all"},
		replica.LinksPath:    map[string]any{"conversationId": "c"},
	} {
		if err := ask(t, w.b, "a.test", path, in); err == nil {
			t.Errorf("%s takes %v", path, in)
		}
	}
}

func TestAbroad_LookingUpAndInvitingAreBoundedByUserAndByServer(t *testing.T) {
	t.Parallel()
	net := testenv.NewFederation(t)
	net.Start("a.test", testenv.Configure(func(c *config.Config) { c.Limits.LookupsPerMinute = 60 }))
	b := net.Start("b.test")
	look := func(viewer string, from int) error {
		var names []id.User
		for n := range 50 {
			names = append(names, id.User(fmt.Sprintf("u%d@a.test", from+n)))
		}
		return ask(t, b, "a.test", replica.UsersPath, replica.AskUsers{UserIDs: names, ViewerID: id.User(viewer + "@b.test")})
	}
	if err := look("bob", 0); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, look("bob", 50), "rate_limited")
	create := event.Create{Creators: []id.User{"bob@b.test"}, Hub: "b.test", Members: []id.User{"bob@b.test"}, Type: event.Group}
	var users []id.User
	for n := range 20 {
		users = append(users, id.User(fmt.Sprintf("u%d@a.test", n)))
	}
	var flood error
	for i := 0; i < 100 && flood == nil; i++ {
		flood = ask(t, b, "a.test", replica.InvitesPath, replica.AskInvite{Create: create, InviterID: "bob@b.test", UserIDs: users})
	}
	wantRefusal(t, flood, "rate_limited")
	flood = nil
	for i := 0; i < 100 && flood == nil; i++ {
		flood = look(fmt.Sprint("viewer", i), 1000*i)
	}
	wantRefusal(t, flood, "rate_limited")
}

func TestAbroad_WhatAnotherServerSaysOfTypingAndReadingIsLookedAt(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	carol := w.a.User(t, "carol")
	conv, secret := w.alice.Group("all", carol), w.alice.Group("secret")
	w.alice.Post(conv, "hello")
	a, c := w.alice.Socket(nil), carol.Socket(nil)
	lies := replica.Transaction{
		Items: []replica.Item{
			{ConversationID: id.Conversation(conv), Receipts: []replica.Receipt{{UserID: id.User(carol.ID), DeliveredSeq: 1, ReadSeq: 1}, {UserID: id.User(w.bob.ID), DeliveredSeq: 1, ReadSeq: 1}}},
			{ConversationID: id.Conversation(secret), Receipts: []replica.Receipt{{UserID: "alice@b.test", DeliveredSeq: 1 << 50, ReadSeq: 1}}},
		},
		Typing: []frame.Typing{{ConversationID: conv, UserID: carol.ID, IsTyping: true}, {ConversationID: conv, UserID: w.bob.ID, IsTyping: true}, {ConversationID: "c", UserID: "x"}},
	}
	if err := ask(t, w.b, "a.test", replica.TransactionsPath, lies); err != nil {
		t.Fatal(err)
	}
	settled(a)
	settled(c)
	if countOf(a, frame.TypingFrame)+countOf(c, frame.TypingFrame) != 0 {
		t.Error("somebody heard typing")
	}
	var m rest.Members
	w.alice.Do("GET", "/conversations/"+conv+"/members", nil, &m)
	if len(m.Members) != 2 || m.Members[1].UserID != carol.ID || m.Members[1].ReadSeq != 0 || m.Members[1].DeliveredSeq != 0 {
		t.Errorf("the members are %+v", m.Members)
	}
}

func TestAbroad_AServerThatIsNotFederatedWithIsNotAsked(t *testing.T) {
	t.Parallel()
	net := testenv.NewFederation(t)
	a := net.Start("a.test", testenv.Configure(func(c *config.Config) { c.Federation.Deny = "b.test" }))
	b := net.Start("b.test")
	alice, bob := a.User(t, "alice"), b.User(t, "bob")
	alice.Refused(fault.ServerRefused, "GET", "/users/bob@b.test", nil)
	alice.Refused(fault.ServerRefused, "POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{bob.ID}})
	bob.Refused(fault.ServerRefused, "GET", "/users/alice@a.test", nil)
	alone := testenv.Start(t)
	carol := alone.User(t, "carol")
	carol.Refused(fault.UnknownUser, "GET", "/users/bob@b.test", nil)
	carol.Refused(fault.UnknownUser, "POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{bob.ID}})
	carol.Refused(fault.UnknownUser, "GET", "/users/bob@b.test/presence", nil)
}
