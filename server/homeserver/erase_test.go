// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"slices"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

func erase(messages string) rest.Erase {
	return rest.Erase{Password: testenv.Password, Messages: messages}
}

func erased(srv *testenv.Server) func() bool {
	return func() bool {
		list, err := srv.Home.Store().Erasures(srv.Context(), 10)
		return err == nil && len(list) == 0
	}
}

// chain verifies the log of a conversation as the store has it, and returns its events.
func chain(t *testing.T, srv *testenv.Server, conv string) []*conversation.Event {
	t.Helper()
	c := id.Conversation(conv)
	st := srv.Home.Store()
	n := c.Shard(st.Shards())
	l, err := st.LoadConversation(t.Context(), n, c, 0, 1)
	check(t, err)
	events, err := st.Events(t.Context(), n, l.Conv, timeline.Range{From: 0, To: 1 << 40, Limit: 10_000})
	check(t, err)
	var head conversation.Head
	var state *conversation.State
	for _, e := range events {
		e.ConversationID = c
		if state, err = conversation.Verify(e, head, state); err != nil {
			t.Fatalf("seq %d: %v", e.Seq, err)
		}
		head = conversation.HeadAt(e)
	}
	return events
}

func TestErase_TakesTheMessagesEverywhereAndTheChainsHold(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	direct, group, former := alice.Direct(bob), bob.Group("Team", alice, carol), alice.Group("Old", bob)
	for i := range 5 {
		alice.Post(direct, fmt.Sprint("secret ", i))
		alice.Post(group, fmt.Sprint("secret ", i))
	}
	edited := alice.Post(former, "secret")
	alice.Do("PATCH", "/conversations/"+former+"/messages/"+edited.MessageID, rest.EditMessage{Content: "secret too"}, nil)
	alice.Do("DELETE", "/conversations/"+former+"/members/"+alice.ID, nil, nil)
	kept := bob.Post(group, "from bob")
	last := alice.Post(direct, "the last one")
	alice.Do("PUT", "/users/me/data/theme", rest.Datum{Value: []byte(`1`)}, nil)
	reportOf(alice, rest.CreateReport{UserID: bob.ID, Reason: "spam"})
	alice.Refused(fault.WrongCredentials, "POST", "/users/me/erase", rest.Erase{Password: "not the password", Messages: "erase"})
	alice.Refused(fault.InvalidField, "POST", "/users/me/erase", erase("some"))
	live, own := bob.Socket(nil), alice.Socket(nil)
	alice.Do("POST", "/users/me/erase", erase("erase"), nil)
	if code, _ := own.Closed(); code != fault.Lookup(fault.AccountDeactivated).Close {
		t.Errorf("the own socket closed with %d", code)
	}
	srv.Until("the erasure is done", erased(srv))
	for range 3 {
		var d frame.Deleted
		live.Expect(frame.MessageDeleted, &d)
		if d.Reason != frame.ReasonErased || d.SenderID != alice.ID || d.ConversationID == direct && (len(d.MessageIDs) != 6 || !slices.Contains(d.MessageIDs, last.MessageID)) {
			t.Errorf("told %+v", d)
		}
	}
	for _, conv := range []string{direct, group, former} {
		for _, e := range bob.History(conv) {
			if e.SenderID == alice.ID && e.Type == frame.TypeMessage && (e.Content != "" || e.DeletedBy != alice.ID || e.DeletedAt == 0) {
				t.Errorf("%s has %+v", conv, e)
			}
			if e.MessageID == kept.MessageID && e.Content != "from bob" {
				t.Errorf("bob's message is %+v", e)
			}
		}
		for _, e := range chain(t, srv, conv) {
			if e.Sender == id.User(alice.ID) && !conversation.ChangesState(e.Type) && (e.Content != nil || e.Salt != [16]byte{}) {
				t.Errorf("%s keeps the content of seq %d", conv, e.Seq)
			}
		}
	}
	if c := bob.Get(direct); c.LastMessage == nil || c.LastMessage.Content != "" || c.LastMessage.DeletedBy != alice.ID {
		t.Errorf("the preview is %+v", c.LastMessage)
	}
	if c := bob.Get(group); c.MemberCount != 2 {
		t.Errorf("%d members are left", c.MemberCount)
	}
	srv.Restart()
	if c := bob.Get(direct); c.LastMessage == nil || c.LastMessage.Content != "" || c.LastMessage.DeletedBy != alice.ID {
		t.Errorf("after a restart the preview is %+v", c.LastMessage)
	}
	bob.Refused(fault.UnknownUser, "GET", "/users/"+alice.ID, nil)
	bob.Refused(fault.UsernameTaken, "POST", "/register", rest.Register{Username: "alice", Password: testenv.Password})
	if n, err := srv.Home.Store().CountReports(t.Context(), id.User(alice.ID), 0); err != nil || n != 0 {
		t.Errorf("%d reports are left, %v", n, err)
	}
}

func TestErase_KeepsMessagesIfToldSo(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	direct, group := alice.Direct(bob), bob.Group("Team", alice)
	alice.Post(direct, "stays")
	alice.Do("POST", "/users/me/erase", erase("keep"), nil)
	srv.Until("the erasure is done", erased(srv))
	if h := bob.History(direct); h[1].Content != "stays" {
		t.Errorf("the message is %+v", h[1])
	}
	if h := bob.History(group); h[len(h)-1].Type != frame.TypeMemberLeave {
		t.Errorf("the last entry is %+v", h[len(h)-1])
	}
}

func TestErase_GoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	s := alice.Socket(nil)
	const many = 2*timeline.EraseSize + 10
	for i := range many {
		m := testenv.Text(conv, fmt.Sprint("secret ", i))
		s.Send(frame.SendMessage, m)
		if i%20 == 19 || i == many-1 {
			s.Ack(m.TempID)
		}
	}
	alice.Do("POST", "/users/me/erase", erase("erase"), nil)
	srv.Restart()
	srv.Until("the erasure is done", erased(srv))
	for _, e := range chain(t, srv, conv) {
		if e.Type == frame.TypeMessage && e.Content != nil {
			t.Fatalf("seq %d keeps its content", e.Seq)
		}
	}
	srv.Until("the operator sees no open erasure", func() bool { return srv.Gauge("parley_erasures_open") == 0 })
}
