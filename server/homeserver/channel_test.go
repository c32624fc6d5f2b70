// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func newChannel(u *testenv.User, t testing.TB, visibility string) string {
	t.Helper()
	var c frame.Conversation
	u.Do("POST", "/conversations", rest.CreateConversation{Type: "channel", Name: "News", Visibility: &visibility}, &c)
	if c.Type != "channel" || c.Role != "owner" || c.MemberCount != 1 {
		t.Fatalf("the channel is %+v", c)
	}
	return c.ConversationID
}

func subscribe(u *testenv.User, conv string) (c frame.Conversation) {
	u.Do("POST", "/conversations/"+conv+"/subscription", nil, &c)
	return c
}

func (h hints) head(t testing.TB, seq int64) {
	t.Helper()
	h.socket.Await(fmt.Sprintf("channel_head of %d", seq), func(f testenv.Frame) bool {
		var head frame.ChannelHead
		return f.Type == frame.ChannelHeadFrame && f.Decode(&head) == nil && head.ConversationID == h.conv && head.HeadSeq >= seq
	})
}

type hints struct {
	socket *testenv.Socket
	conv   string
}

func TestChannel_ReadersPullWhatWritersPost(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]testenv.Option{"one database": nil, "two databases": {testenv.TwoDatabases}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testenv.Start(t, opts...)
			us := srv.Users(t, "alice", "bob", "carol")
			alice, bob, carol := us[0], us[1], us[2]
			conv := newChannel(alice, t, "public")
			alice.Post(conv, "before")
			if c := bob.Get(conv); c.Membership != "none" || c.Role != "reader" || c.IsSubscribed || c.HeadSeq != 1 || c.UnreadCount != 0 {
				t.Errorf("looking: %+v", c)
			}
			if h := bob.History(conv); len(h) != 2 || h[1].Content != "before" {
				t.Errorf("looking finds %+v", h)
			}
			live := bob.Socket(nil)
			c := subscribe(bob, conv)
			if again := subscribe(bob, conv); c.Membership != "subscribed" || !c.IsSubscribed || c.SubscriberCount != 1 || c.ReadSeq != 1 || again.SubscriberCount != 1 {
				t.Errorf("subscribed: %+v, again %+v", c, again)
			}
			writer := alice.Socket(nil)
			ack := alice.Post(conv, "after")
			writer.Received(ack.MessageID)
			hints{live, conv}.head(t, ack.Seq)
			for _, f := range live.Frames() {
				if f.Type == frame.MessageReceived {
					t.Errorf("a reader got %s", f.Data)
				}
			}
			var list rest.Conversations
			bob.Do("GET", "/conversations", nil, &list)
			if len(list.Conversations) != 1 || list.Conversations[0].UnreadCount != 1 || list.Conversations[0].LastMessage.Content != "after" {
				t.Errorf("the list is %+v", list)
			}
			page, f := bob.Sync("")
			if f != nil || len(page.Conversations) != 1 || len(page.Messages) != 0 || page.Conversations[0].Gap != nil || page.Conversations[0].HeadSeq != 2 {
				t.Errorf("sync is %+v, %v", page, f)
			}
			cursor := page.Cursor
			srv.Until("sync tells that nothing moved", func() bool { // A cursor covers a move once the hint has left.
				next, f := bob.Sync(cursor)
				if f != nil {
					t.Fatal(f)
				}
				cursor = next.Cursor
				return len(next.Conversations) == 0
			})
			alice.Post(conv, "more")
			if next, _ := bob.Sync(cursor); len(next.Conversations) != 1 || next.Conversations[0].UnreadCount != 2 {
				t.Errorf("after the next post sync is %+v", next)
			}
			if next, _ := carol.Sync(""); len(next.Conversations) != 0 {
				t.Errorf("who does not subscribe gets %+v", next)
			}
			bob.Do("DELETE", "/conversations/"+conv+"/subscription", nil, nil)
			bob.Do("DELETE", "/conversations/"+conv+"/subscription", nil, nil)
			if c := bob.Get(conv); c.IsSubscribed || c.SubscriberCount != 0 {
				t.Errorf("unsubscribed: %+v", c)
			}
		})
	}
}

func TestChannel_OnlyMembersWrite(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	for _, visibility := range []string{"public", "private"} {
		conv := newChannel(alice, t, visibility)
		path := "/conversations/" + conv
		alice.Do("POST", path+"/subscribers", rest.AddSubscribers{UserIDs: []string{bob.ID}}, nil)
		live := bob.Socket(nil)
		live.Send(frame.SendMessage, testenv.Text(conv, "me too"))
		live.Refused(fault.InsufficientRole)
		bob.Refused(fault.InsufficientRole, "POST", path+"/messages", testenv.Text("", "me too"))
		bob.Refused(fault.InsufficientRole, "PATCH", path, name("mine"))
		bob.Refused(fault.InsufficientRole, "GET", path+"/members", nil)
		bob.Refused(fault.InsufficientRole, "GET", path+"/subscribers", nil)
		bob.Refused(fault.InsufficientRole, "POST", path+"/members", add(carol))
		if visibility == "private" {
			carol.Refused(fault.UnknownConversation, "POST", path+"/messages", testenv.Text("", "me too"))
			carol.Refused(fault.UnknownConversation, "GET", path, nil)
			carol.Refused(fault.UnknownConversation, "GET", path+"/messages", nil)
			carol.Refused(fault.UnknownConversation, "POST", path+"/subscription", nil)
			carol.Refused(fault.UnknownConversation, "DELETE", path+"/subscription", nil)
		}
		alice.Do("POST", path+"/members", add(bob), nil)
		bob.Post(conv, "now I may")
		if c := bob.Get(conv); c.Membership != "joined" || c.Role != "member" {
			t.Errorf("bob is %+v", c)
		}
	}
}

func TestChannel_PointersArePrivateAndViewsAreCountedOnce(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice := us[0]
	conv := newChannel(alice, t, "public")
	readers := us[1:]
	for _, u := range readers {
		subscribe(u, conv)
	}
	writer := alice.Socket(nil)
	var acks []frame.Ack
	for i := range 4 {
		acks = append(acks, alice.Post(conv, fmt.Sprint(i)))
	}
	read := func(u *testenv.User, ack frame.Ack, status string) {
		t.Helper()
		u.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: status}, nil)
	}
	read(readers[0], acks[3], "delivered")
	read(readers[0], acks[2], "read")
	read(readers[0], acks[1], "read")
	read(readers[1], acks[0], "read")
	read(readers[1], acks[3], "read")
	check := func() {
		t.Helper()
		for i, want := range []int64{2, 2, 2, 1} {
			for _, u := range us {
				if e := u.History(conv)[i+1]; e.Views != want {
					t.Errorf("%s sees %d views of message %d, want %d", u.Name(), e.Views, i, want)
				}
			}
		}
		for i, want := range []int64{1, 0, 4} {
			if c := readers[i].Get(conv); c.UnreadCount != want {
				t.Errorf("%s has %d unread, want %d", readers[i].Name(), c.UnreadCount, want)
			}
		}
	}
	check()
	srv.Restart()
	check()
	for _, f := range writer.Frames() {
		if f.Type == frame.DeliveryAck {
			t.Errorf("a reader's pointer was told: %s", f.Data)
		}
	}
	readers[2].Refused(fault.UnknownMessage, "POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: alice.Post(alice.Group("other"), "elsewhere").MessageID, Status: "read"})
}

func TestChannel_AFormerWriterMaySubscribe(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	for _, visibility := range []string{"public", "private"} {
		conv := newChannel(alice, t, visibility)
		path := "/conversations/" + conv
		alice.Do("POST", path+"/members", add(bob), nil)
		bob.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
		last := alice.Post(conv, "without bob")
		if visibility == "private" {
			bob.Refused(fault.UnknownConversation, "POST", path+"/subscription", nil)
			continue
		}
		if c := subscribe(bob, conv); c.Membership != "subscribed" || c.HeadSeq != last.Seq {
			t.Errorf("a former writer is %+v", c)
		}
		if events := bob.History(conv); events[len(events)-1].Seq != last.Seq {
			t.Errorf("a former writer reads to %d, want %d", events[len(events)-1].Seq, last.Seq)
		}
		bob.Do("DELETE", path+"/subscription", nil, nil)
		if c := bob.Get(conv); c.Membership != "left" {
			t.Errorf("after the subscription a former writer is %+v", c)
		}
		alice.Do("PUT", path+"/bans/"+bob.ID, nil, nil)
		bob.Refused(fault.UnknownConversation, "POST", path+"/subscription", nil)
	}
}

func TestChannel_TheBannedSeeNothing(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := newChannel(alice, t, "public")
	path := "/conversations/" + conv
	subscribe(bob, conv)
	subscribe(carol, conv)
	live, other := bob.Socket(nil), carol.Socket(nil)
	alice.Do("DELETE", path+"/subscribers/"+bob.ID+"?ban=true", nil, nil)
	ack := alice.Post(conv, "without bob")
	hints{other, conv}.head(t, ack.Seq)
	for _, f := range live.Frames() {
		if f.Type == frame.ChannelHeadFrame {
			t.Errorf("the banned gets %s", f.Data)
		}
	}
	for _, get := range []string{path, path + "/messages"} {
		bob.Refused(fault.UnknownConversation, "GET", get, nil)
	}
	bob.Refused(fault.UnknownConversation, "POST", path+"/subscription", nil)
	bob.Refused(fault.UnknownConversation, "POST", path+"/messages", testenv.Text("", "let me in"))
	live.Send(frame.SendMessage, testenv.Text(conv, "let me in"))
	live.Refused(fault.UnknownConversation)
	for _, visibility := range []string{"public", "private"} { // By rows, and by the log.
		linked := newChannel(alice, t, visibility)
		bearer := rest.LinkToken{Token: invite(alice, linked, rest.CreateLink{}).Token}
		alice.Do("DELETE", "/conversations/"+linked+"/subscribers/"+bob.ID+"?ban=true", nil, nil)
		alice.Do("PUT", "/conversations/"+linked+"/bans/"+carol.ID, nil, nil)
		for _, u := range []*testenv.User{bob, carol} {
			u.Refused(fault.Banned, "POST", "/links/preview", bearer)
			u.Refused(fault.Banned, "POST", "/links/join", bearer)
			u.Refused(fault.UnknownConversation, "POST", "/conversations/"+linked+"/messages", testenv.Text("", "let me in"))
		}
	}
	if page, _ := bob.Sync(""); len(page.Conversations) != 0 {
		t.Errorf("the banned syncs %+v", page)
	}
	var list rest.Subscribers
	alice.Do("GET", path+"/subscribers?banned=true", nil, &list)
	if len(list.Subscribers) != 1 || list.Subscribers[0].UserID != bob.ID || list.Subscribers[0].BannedAt == 0 {
		t.Errorf("the bans are %+v", list)
	}
	if c := alice.Get(conv); c.SubscriberCount != 1 {
		t.Errorf("%d subscribers are left", c.SubscriberCount)
	}
	var c frame.Conversation
	alice.Do("POST", path+"/subscribers", rest.AddSubscribers{UserIDs: []string{bob.ID}}, &c)
	if c.SubscriberCount != 2 || bob.Get(conv).Membership != "subscribed" {
		t.Errorf("after the pardon: %+v", c)
	}
	alice.Do("GET", path+"/subscribers?limit=1", nil, &list)
	if len(list.Subscribers) != 1 || !list.HasMore || list.NextCursor != bob.ID {
		t.Errorf("a page of subscribers is %+v", list)
	}
	alice.Do("GET", path+"/subscribers?limit=1&cursor="+url.QueryEscape(list.NextCursor), nil, &list)
	if len(list.Subscribers) != 1 || list.Subscribers[0].UserID != carol.ID {
		t.Errorf("the next page is %+v", list)
	}
}

func TestChannel_ManyPostsMakeFewHints(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := newChannel(alice, t, "public")
	subscribe(bob, conv)
	live := bob.Socket(nil)
	begin := time.Now()
	var last frame.Ack
	for range 60 {
		last = alice.Post(conv, "again")
	}
	hints{live, conv}.head(t, last.Seq)
	limit := int(time.Since(begin)/time.Second) + 2
	n := 0
	for _, f := range live.Frames() {
		if f.Type == frame.ChannelHeadFrame {
			n++
		}
	}
	if n > limit {
		t.Errorf("%d hints in %v", n, time.Since(begin))
	}
}

func TestChannel_APollEndsWhenItMoves(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := newChannel(alice, t, "public")
	subscribe(bob, conv)
	page, _ := bob.Sync("")
	done := make(chan frame.Sync, 1)
	go func() {
		var s frame.Sync
		_ = bob.Call("GET", "/sync?timeout=30000&cursor="+url.QueryEscape(page.Cursor), nil, &s)
		done <- s
	}()
	srv.Until("the poll is there", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	alice.Post(conv, "news")
	if s := <-done; len(s.Conversations) != 1 || s.Conversations[0].UnreadCount != 1 {
		t.Errorf("the poll answered %+v", s)
	}
}

func TestChannel_HasFewWriters(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	for what, in := range map[string]rest.CreateConversation{
		"name":       {Type: "channel"},
		"visibility": {Type: "channel", Name: "News", Visibility: ptr("secret")},
	} {
		if f := alice.Refused(fault.InvalidField, "POST", "/conversations", in); f.Field != what {
			t.Errorf("%s: the field is %q", what, f.Field)
		}
	}
	alice.Refused(fault.InvalidField, "POST", "/conversations", rest.CreateConversation{Type: "group", Visibility: ptr("public")})
}
