// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// has waits until the user's server has the conversation, and returns it.
func has(t *testing.T, s *testenv.Server, u *testenv.User, conv string, want func(frame.Conversation) bool) (c frame.Conversation) {
	t.Helper()
	s.Until(u.ID+" has the conversation", func() bool {
		c = frame.Conversation{}
		return u.Call("GET", "/conversations/"+conv, nil, &c) == nil && want(c)
	})
	return c
}

func anything(frame.Conversation) bool { return true }

func TestAbroad_TypingAndReceiptsCrossServers(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	var c frame.Conversation
	w.alice.Do("POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{w.bob.ID}}, &c)
	conv := c.ConversationID
	has(t, w.b, w.bob, conv, anything)
	a, b := w.alice.Socket(testenv.NewBook()), w.bob.Socket(testenv.NewBook())
	w.alice.Post(conv, "hello")
	has(t, w.b, w.bob, conv, func(c frame.Conversation) bool { return c.HeadSeq == 1 })
	types(a, conv, true)
	hears(t, b, conv, w.alice, true)
	types(b, conv, true)
	hears(t, a, conv, w.bob, true)
	types(b, conv, false)
	hears(t, a, conv, w.bob, false)
	reached := func(by *testenv.User, of *testenv.User, delivered, read int64) {
		t.Helper()
		w.a.Until(of.ID+" is as far", func() bool {
			var m rest.Members
			by.Do("GET", "/conversations/"+conv+"/members", nil, &m)
			for _, one := range m.Members {
				if one.UserID == of.ID {
					return one.DeliveredSeq == delivered && one.ReadSeq == read
				}
			}
			return false
		})
	}
	message := w.bob.History(conv)[1].MessageID
	b.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: message, Status: "delivered"})
	reached(w.alice, w.bob, 1, 0)
	b.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: message, Status: "read"})
	reached(w.alice, w.bob, 1, 1)
	w.alice.Do("PUT", "/users/me/settings", `{"readReceipts":false}`, nil)
	ack := w.bob.Post(conv, "hello yourself")
	has(t, w.a, w.alice, conv, func(c frame.Conversation) bool { return c.HeadSeq == ack.Seq })
	a.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: ack.MessageID, Status: "read"})
	reached(w.bob, w.alice, ack.Seq, 1) // What she sent she read.
}

func TestAbroad_ARequestIsOneAtTheServerOfWhoIsAsked(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	carol := w.b.User(t, "carol")
	dora := w.a.User(t, "dora")
	for _, u := range []*testenv.User{carol, dora} {
		u.Do("PUT", "/users/me/settings", `{"whoMayMessage":"contacts"}`, nil)
	}
	direct := func(from, to *testenv.User) string {
		var c frame.Conversation
		from.Do("POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{to.ID}}, &c)
		if c.IsRequest || c.IsHidden {
			t.Errorf("to %s the conversation with %s is %+v", from.ID, to.ID, c)
		}
		return c.ConversationID
	}
	request := func(c frame.Conversation) bool { return c.IsRequest }
	conv := direct(w.alice, carol) // Its hub is alice's server.
	has(t, w.b, carol, conv, request)
	w.alice.Post(conv, "may I?")
	has(t, w.b, carol, conv, func(c frame.Conversation) bool { return c.IsRequest && c.UnreadCount == 0 && c.LastMessage == nil })
	carol.Do("POST", "/conversations/"+conv+"/accept", nil, nil)
	has(t, w.b, carol, conv, func(c frame.Conversation) bool { return !c.IsRequest })
	eve := w.a.User(t, "eve")
	var shared frame.Conversation
	eve.Do("POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{carol.ID}}, &shared)
	has(t, w.b, carol, shared.ConversationID, anything)
	known := direct(eve, carol)
	if c := has(t, w.b, carol, known, anything); c.IsRequest {
		t.Errorf("who shares a group has to ask: %+v", c)
	}
	back := direct(w.bob, dora) // Its hub is not dora's server.
	has(t, w.a, dora, back, request)
	w.bob.Do("PUT", "/users/me/blocks/alice@a.test", nil, nil)
	quiet := direct(w.alice, w.bob)
	w.alice.Post(quiet, "hello?")
	has(t, w.b, w.bob, quiet, func(c frame.Conversation) bool { return c.IsHidden && c.LastMessage == nil })
}

func TestAbroad_WhoBearsALinkJoinsAtItsHub(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	carol := w.b.User(t, "carol")
	var c frame.Conversation
	w.alice.Do("POST", "/conversations", rest.CreateConversation{Type: "group", Name: "Open"}, &c)
	w.alice.Post(c.ConversationID, "before")
	links := "/conversations/" + c.ConversationID + "/links"
	var open, closed rest.Link
	w.alice.Do("POST", links, rest.CreateLink{}, &open)
	w.alice.Do("POST", links, rest.CreateLink{NeedsApproval: true}, &closed)
	var joined frame.Conversation
	w.bob.Do("POST", "/links/join", rest.LinkToken{Token: open.Token}, &joined)
	if joined.ConversationID != c.ConversationID || joined.Membership != "joined" || joined.MemberCount != 2 {
		t.Errorf("bob joined %+v", joined)
	}
	w.bob.Do("POST", "/links/join", rest.LinkToken{Token: open.Token}, &joined)
	w.bob.Post(c.ConversationID, "here I am")
	has(t, w.a, w.alice, c.ConversationID, func(c frame.Conversation) bool { return c.LastMessage != nil && c.LastMessage.Content == "here I am" })
	carol.Do("PUT", "/users/me/settings", `{"whoMayAdd":"nobody"}`, nil)
	carol.Do("POST", "/links/join", rest.LinkToken{Token: closed.Token}, nil)
	carol.Refused(fault.UnknownConversation, "GET", "/conversations/"+c.ConversationID, nil)
	var asks rest.JoinRequests
	w.alice.Do("GET", "/conversations/"+c.ConversationID+"/requests", nil, &asks)
	if len(asks.Requests) != 1 || asks.Requests[0].UserID != carol.ID {
		t.Errorf("the requests are %+v", asks)
	}
	w.alice.Do("POST", "/conversations/"+c.ConversationID+"/requests/"+carol.ID, nil, nil)
	has(t, w.b, carol, c.ConversationID, func(c frame.Conversation) bool { return c.Membership == "joined" })
}

func TestAbroad_ContactsSeePresenceAndStrangersDoNot(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	carol := w.a.User(t, "carol")
	var c frame.Conversation
	w.alice.Do("POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{w.bob.ID}}, &c)
	has(t, w.b, w.bob, c.ConversationID, anything)
	a, b := w.alice.Socket(nil), w.bob.Socket(nil)
	beats(a)
	beats(b)
	sees := func(s *testenv.Server, viewer, of *testenv.User, status string) {
		t.Helper()
		s.Until(viewer.ID+" sees that "+of.ID+" is "+status, func() bool {
			w.clock.add(11 * time.Second)
			var p frame.Presence
			viewer.Do("GET", "/users/"+of.ID+"/presence", nil, &p)
			return p.Status == status
		})
	}
	sees(w.a, w.alice, w.bob, "online")
	sees(w.b, w.bob, w.alice, "online")
	sees(w.a, carol, w.bob, "offline")
}
