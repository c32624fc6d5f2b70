// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
)

func TestUnread_CountsMessagesOfOthersAndThePreviewIsTheNewest(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
	if c := bob.Get(conv); c.UnreadCount != 0 || c.LastMessage != nil {
		t.Errorf("a group without messages: %+v", c)
	}
	for _, text := range []string{"one", "two", "three"} {
		alice.Post(conv, text)
	}
	alice.Do("POST", path+"/members", add(us[2]), nil) // No message: it neither counts nor shows.
	for range 2 {
		if c := bob.Get(conv); c.UnreadCount != 3 || c.LastMessage == nil || c.LastMessage.Content != "three" || c.HeadSeq != 4 {
			t.Errorf("bob sees %+v %+v", c, c.LastMessage)
		}
		if c := alice.Get(conv); c.UnreadCount != 0 {
			t.Errorf("alice has %d unread of her own", c.UnreadCount)
		}
		srv.Restart()
	}
	bob.Post(conv, "answering is reading")
	if c := bob.Get(conv); c.UnreadCount != 0 || c.ReadSeq != 5 {
		t.Errorf("after an answer bob sees %+v", c)
	}
	if c := us[2].Get(conv); c.UnreadCount != 1 {
		t.Errorf("carol has %d unread, want what came after her joining", c.UnreadCount)
	}
}

func TestReceipts_ReachTheSenderAndClearUnreadOnOtherDevices(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	sender, phone, laptop := alice.Socket(nil), bob.Socket(nil), bob.Device()
	first := sender.Text(conv, "one")
	last := sender.Text(conv, "two")
	phone.Received(last.MessageID)
	known := testenv.NewBook()
	check(t, laptop.Pull(known))
	if c, _ := known.Conversation(conv); c.UnreadCount != 2 {
		t.Errorf("the laptop has %d unread", c.UnreadCount)
	}
	phone.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: first.MessageID, Status: "delivered"})
	srv.Until("delivered arrives", func() bool { return sender.Book.Receipt(conv, bob.ID).DeliveredSeq == first.Seq })
	if r := sender.Book.Receipt(conv, bob.ID); r.ReadSeq >= first.Seq {
		t.Errorf("delivered was taken for read: %+v", r)
	}
	if e := alice.Page(conv, "afterSeq=0&limit=2").Messages; e[0].Status != "delivered" || e[1].Status != "sent" {
		t.Errorf("history says %s, %s", e[0].Status, e[1].Status)
	}
	phone.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: last.MessageID, Status: "read"})
	srv.Until("read arrives", func() bool { return sender.Book.Receipt(conv, bob.ID).ReadSeq == last.Seq })
	for _, e := range alice.Page(conv, "afterSeq=0").Messages {
		if e.Status != "read" {
			t.Errorf("message %d is %s", e.Seq, e.Status)
		}
	}
	check(t, laptop.Pull(known)) // Nothing but the receipt moved.
	if c, _ := known.Conversation(conv); c.UnreadCount != 0 || c.ReadSeq != last.Seq {
		t.Errorf("the laptop sees %+v", c)
	}
	if r := known.Receipt(conv, bob.ID); r.ReadSeq != last.Seq || r.DeliveredSeq != last.Seq {
		t.Errorf("the laptop's receipt is %+v", r)
	}
	// Back in time is nowhere.
	phone.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: first.MessageID, Status: "read"})
	phone.Alive()
	srv.Restart()
	if c := bob.Get(conv); c.ReadSeq != last.Seq || c.UnreadCount != 0 {
		t.Errorf("after a restart bob sees %+v", c)
	}
}

func TestReceipts_MoveACursorWithoutMessages(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Group("Team", us[1])
	ack := us[0].Post(conv, "x")
	away := testenv.NewBook()
	check(t, us[0].Pull(away))
	s := us[1].Socket(nil)
	s.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: ack.MessageID, Status: "read"})
	watch := us[0].Socket(away.Clone())
	srv.Until("the receipt arrives", func() bool { return watch.Book.Receipt(conv, us[1].ID).ReadSeq == ack.Seq })
	page, f := us[0].Sync(away.Cursor())
	if f != nil || len(page.Receipts) == 0 || len(page.Messages) != 0 || len(page.Conversations) != 1 {
		t.Errorf("sync gave %+v, %v", page, f)
	}
	check(t, away.Page(page))
	if r := away.Receipt(conv, us[1].ID); r.ReadSeq != ack.Seq {
		t.Errorf("by sync: %+v", r)
	}
	if page, f := us[0].Sync(away.Cursor()); f != nil || len(page.Receipts)+len(page.Conversations) != 0 {
		t.Errorf("the next sync gave %+v, %v", page, f)
	}
}
