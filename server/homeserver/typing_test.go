// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func types(s *testenv.Socket, conv string, on bool) {
	s.Send(frame.TypingFrame, frame.TypingRequest{ConversationID: conv, IsTyping: &on})
}

func hears(t *testing.T, s *testenv.Socket, conv string, u *testenv.User, on bool) {
	t.Helper()
	var got frame.Typing
	s.Await("typing", func(f testenv.Frame) bool { return f.Type == frame.TypingFrame && f.Decode(&got) == nil })
	if want := (frame.Typing{ConversationID: conv, UserID: u.ID, IsTyping: on}); got != want {
		t.Errorf("heard %+v, want %+v", got, want)
	}
}

func TestTyping_ReachesTheOtherMembersAndIsNowhereElse(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("all", bob, carol)
	a, own, b, c := alice.Socket(nil), alice.Device().Socket(nil), bob.Socket(nil), carol.Socket(nil)
	stranger := us[3].Socket(nil)
	before, f := bob.Sync("")
	if f != nil {
		t.Fatal(f)
	}
	begin := time.Now()
	types(a, conv, true)
	hears(t, b, conv, alice, true)
	hears(t, c, conv, alice, true)
	types(a, conv, false)
	hears(t, b, conv, alice, false)
	for range 20 {
		types(a, conv, true) // Within the second.
	}
	ack := a.Text(conv, "after it")
	own.Received(ack.MessageID)
	b.Received(ack.MessageID)
	settled(stranger)
	for _, s := range []*testenv.Socket{a, own, stranger} {
		if n := countOf(s, frame.TypingFrame); n != 0 {
			t.Errorf("%d typing frames, want none", n)
		}
	}
	if n, most := countOf(b, frame.TypingFrame), 2+int(time.Since(begin)/time.Second); n < 2 || n > most {
		t.Errorf("%d typing frames, want 2 to %d", n, most)
	}
	after, f := bob.Sync(before.Cursor)
	if f != nil || len(after.Messages) != 1 {
		t.Errorf("a sync after typing and one message holds %+v", after)
	}
	types(stranger, conv, true)
	if e := stranger.Refused(fault.UnknownConversation); e.ConversationID != conv {
		t.Errorf("the refusal names %q", e.ConversationID)
	}
	types(stranger, "c1", true)
	stranger.Refused(fault.UnknownConversation)
	alice.Do("DELETE", "/conversations/"+conv+"/members/"+carol.ID, nil, nil)
	types(c, conv, true)
	c.Refused(fault.NotMember)
	alice.Do("PATCH", "/conversations/"+conv, `{"permissions":{"send":"admin"}}`, nil)
	types(b, conv, true)
	b.Refused(fault.InsufficientRole)
}

func TestTyping_BetweenTwoNeedsThatNeitherBlocksTheOther(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv, group := alice.Direct(bob), alice.Group("both", bob)
	a, b := alice.Socket(nil), bob.Socket(nil)
	for _, blocker := range us {
		other := us[0]
		if blocker == us[0] {
			other = us[1]
		}
		blocker.Do("PUT", "/users/me/blocks/"+other.ID, nil, nil)
		fresh := alice.Socket(nil)
		types(fresh, conv, true)
		types(fresh, group, true) // A block is between two.
		hears(t, b, group, alice, true)
		settled(fresh)
		blocker.Do("DELETE", "/users/me/blocks/"+other.ID, nil, nil)
	}
	types(a, conv, true)
	hears(t, b, conv, alice, true)
}

func TestTyping_IsForConversationsOfAtMostAHundred(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	var names []string
	for i := range 102 {
		names = append(names, fmt.Sprint("user", i))
	}
	us := srv.Users(t, names...)
	conv := us[0].Group("many", us[1:100]...)
	a, b := us[0].Socket(nil), us[1].Socket(nil)
	types(a, conv, true)
	hears(t, b, conv, us[0], true)
	us[0].Do("POST", "/conversations/"+conv+"/members", rest.AddMembers{UserIDs: []string{us[100].ID}}, nil)
	c := us[0].Socket(nil)
	types(c, conv, true)
	settled(c)
	ack := c.Text(conv, "after it")
	b.Received(ack.MessageID)
	if n := countOf(b, frame.TypingFrame); n != 1 {
		t.Errorf("%d typing frames, want only that of before", n)
	}
}

func TestTyping_IsHeardOverServerSentEvents(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	book := testenv.NewBook()
	st := us[1].Events(t.Context(), book, "")
	a := us[0].Socket(nil)
	ack := a.Text(conv, "hello")
	if err := st.Until(func() bool { return book.Dense(conv, 0, ack.Seq) == nil }); err != nil {
		t.Fatal(err)
	}
	types(a, conv, true)
	if err := st.Until(func() bool { return len(st.Moment()) > 0 }); err != nil {
		t.Fatal(err)
	}
	want := frame.Typing{ConversationID: conv, UserID: us[0].ID, IsTyping: true}
	var got frame.Typing
	if f := st.Moment()[0]; f.Type != frame.TypingFrame || f.Decode(&got) != nil || got != want {
		t.Errorf("heard %s %+v", f.Type, got)
	}
}
