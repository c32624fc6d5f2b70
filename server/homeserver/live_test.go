// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestLive_ReachesAllDevicesOfAllMembersAndOnlyTheSenderGetsTheAck(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]testenv.Option{"one database": nil, "two databases": {testenv.TwoDatabases}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testenv.Start(t, opts...)
			us := srv.Users(t, "alice", "bob")
			alice, bob := us[0], us[1]
			conv := alice.Direct(bob)
			sender, other := alice.Socket(nil), alice.Device().Socket(nil)
			same := alice.Socket(nil) // A second socket of the sending device.
			b1, b2 := bob.Socket(nil), bob.Device().Socket(nil)
			ack := sender.Text(conv, "hello")
			if ack.Status != "sent" || ack.Seq != 1 || ack.ConversationID != conv {
				t.Errorf("ack is %+v", ack)
			}
			for _, s := range []*testenv.Socket{other, same, b1, b2} {
				if e := s.Received(ack.MessageID); e.Seq != 1 || e.Content != "hello" || e.SenderID != alice.ID || e.Timestamp != ack.Timestamp {
					t.Errorf("received %+v", e)
				}
			}
			reply := b1.Text(conv, "hello yourself")
			for _, s := range []*testenv.Socket{sender, other, b2} {
				s.Received(reply.MessageID)
			}
			for _, f := range sender.Frames() {
				if f.Type == frame.MessageReceived && strings.Contains(string(f.Data), ack.MessageID) {
					t.Errorf("the sender got its own message: %s", f.Data)
				}
			}
			for _, s := range []*testenv.Socket{sender, other, same, b1, b2} {
				s.Holds(conv, reply.Seq)
				check(t, s.Book.Dense(conv, 0, 2))
			}
		})
	}
}

func TestLive_RESTSendReachesTheOwnSocketsToo(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	own, peer := us[0].Socket(nil), us[1].Socket(nil)
	ack := us[0].Post(conv, "by REST")
	own.Received(ack.MessageID)
	peer.Received(ack.MessageID)
}

func TestSend_IsIdempotentByTempID(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	path := "/conversations/" + conv + "/messages"
	m := testenv.Text("", "once")
	var first frame.Ack
	us[0].Do("POST", path, m, &first)
	s := us[0].Socket(nil)
	again := m
	again.ConversationID = conv
	s.Send(frame.SendMessage, again)
	if got := s.Ack(m.TempID); got != first {
		t.Errorf("over the socket again: %+v, first %+v", got, first)
	}
	again.Content = "something else"
	s.Send(frame.SendMessage, again)
	if e := s.Refused(fault.TempIDConflict); e.TempID != m.TempID {
		t.Errorf("the error names tempId %q", e.TempID)
	}
	other := us[0].Device() // Its tempIds are its own.
	var second frame.Ack
	other.Do("POST", path, m, &second)
	if second.Seq != first.Seq+1 {
		t.Errorf("the other device got seq %d", second.Seq)
	}
	srv.Restart()
	var after frame.Ack
	us[0].Do("POST", path, m, &after)
	if after != first {
		t.Errorf("after a restart: %+v, first %+v", after, first)
	}
}

func TestDirect_IsOnePerPairHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	var wg sync.WaitGroup
	ids, faults := make([]string, 12), make([]*fault.Error, 12)
	for i := range ids {
		wg.Go(func() {
			var c frame.Conversation
			me, peer := us[i%2], us[(i+1)%2]
			faults[i] = me.Call("POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{peer.ID}}, &c)
			ids[i] = c.ConversationID
			if c.PeerID != peer.ID || c.Membership != "joined" {
				t.Errorf("%s sees %+v", me.ID, c)
			}
		})
	}
	wg.Wait()
	for i := range ids {
		if faults[i] != nil || ids[i] != ids[0] {
			t.Errorf("call %d: %s, %v; the first got %s", i, ids[i], faults[i], ids[0])
		}
	}
	if h := us[1].History(ids[0]); len(h) != 1 || h[0].Type != frame.TypeCreate {
		t.Errorf("history is %+v", h)
	}
}

func TestReply_NamesAMessageOfTheConversation(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	conv, elsewhere := us[0].Direct(us[1]), us[0].Direct(us[2])
	first, foreign := us[1].Post(conv, "question"), us[0].Post(elsewhere, "secret")
	peer := us[1].Socket(nil)
	m := testenv.Text("", "answer")
	m.ReplyToMessageID = first.MessageID
	var ack frame.Ack
	us[0].Do("POST", "/conversations/"+conv+"/messages", m, &ack)
	if e := peer.Received(ack.MessageID); e.ReplyToMessageID != first.MessageID {
		t.Errorf("received %+v", e)
	}
	m.TempID, m.ReplyToMessageID = rand.Text(), foreign.MessageID
	us[0].Refused(fault.UnknownMessage, "POST", "/conversations/"+conv+"/messages", m)
}

func TestContentTypes_ArriveAsSent(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	s, peer := us[0].Socket(nil), us[1].Socket(nil)
	for _, kind := range []string{"text", "image", "video", "audio", "document"} {
		m := frame.Send{
			TempID: rand.Text(), ConversationID: conv, ContentType: kind, Content: "<ü\u2028\"\\\n" + kind,
			MediaURL: "https://media.example.org/" + kind + "?a=1&b=<2>", EncryptedContent: "AAEC",
		}
		s.Send(frame.SendMessage, m)
		e := peer.Received(s.Ack(m.TempID).MessageID)
		if e.Content != m.Content || e.MediaURL != m.MediaURL || e.EncryptedContent != m.EncryptedContent || e.ContentType != kind {
			t.Errorf("sent %+v, received %+v", m, e)
		}
		page := us[1].Page(conv, "limit=1")
		if got := page.Messages[0]; got.Content != m.Content || got.MediaURL != m.MediaURL {
			t.Errorf("history has %+v", got)
		}
	}
}
