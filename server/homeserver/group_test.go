// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func add(users ...*testenv.User) rest.AddMembers {
	in := rest.AddMembers{}
	for _, u := range users {
		in.UserIDs = append(in.UserIDs, u.ID)
	}
	return in
}

func name(s string) rest.EditConversation { return rest.EditConversation{Name: &s} }

func TestGroup_ChangesAreLiveInSyncAndInHistory(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	a, b, c := alice.Socket(nil), bob.Socket(nil), carol.Socket(nil)
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
	for _, s := range []*testenv.Socket{a, b} {
		e := s.Updated(frame.TypeCreate)
		if e.Change == nil || e.Change.Name != "Team" || !slices.Equal(e.Change.UserIDs, []string{alice.ID, bob.ID}) {
			t.Errorf("create is %+v", e.Change)
		}
	}
	alice.Do("PATCH", path, name("Crew"), nil)
	alice.Do("POST", path+"/members", add(carol), nil)
	alice.Do("PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "admin"}, nil)
	bob.Do("PATCH", path, name(""), nil)
	alice.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
	carol.Do("DELETE", path+"/members/"+carol.ID, nil, nil)
	want := []string{frame.TypeCreate, frame.TypeRename, frame.TypeMemberAdd, frame.TypeMemberRole, frame.TypeRename, frame.TypeMemberRemove, frame.TypeMemberLeave}
	a.Holds(conv, 6)
	b.Holds(conv, 5)
	c.Holds(conv, 6)
	check(t, a.Book.Dense(conv, 0, 6))
	check(t, b.Book.Dense(conv, 0, 5))
	check(t, c.Book.Dense(conv, 2, 6))
	for what, got := range map[string][]frame.Event{"live": a.Book.Events(conv), "history": alice.History(conv)} {
		for i, e := range got {
			if e.Type != want[i] || e.Seq != int64(i) {
				t.Errorf("%s: %d is %s at seq %d, want %s", what, i, e.Type, e.Seq, want[i])
			}
		}
	}
	synced := testenv.NewBook()
	check(t, alice.Pull(synced))
	check(t, synced.Dense(conv, 0, 6))
	if g := alice.Get(conv); g.MemberCount != 1 || g.Role != "owner" || g.Name != "" || g.HeadSeq != 6 {
		t.Errorf("alice sees %+v", g)
	}
	if e := synced.Events(conv)[5]; !slices.Equal(e.Change.UserIDs, []string{bob.ID}) || e.SenderID != alice.ID {
		t.Errorf("the removal is %+v %+v", e, e.Change)
	}
}

func TestGroup_ARemovedMemberGetsTheRemovalAndNothingAfter(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv, direct := alice.Group("Team", bob), alice.Direct(bob)
	path := "/conversations/" + conv
	before := alice.Post(conv, "before")
	live, away := bob.Socket(nil), bob.Socket(nil)
	away.Drop()
	alice.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
	alice.Post(conv, "a secret")
	alice.Do("PATCH", path, name("Without Bob"), nil)
	marker := alice.Post(direct, "after all that")
	live.Received(marker.MessageID) // One database commits and delivers in order, so nothing of the group can follow.
	check(t, live.Book.Dense(conv, 0, 2))

	back := bob.Socket(away.Book.Clone())
	check(t, back.Book.Dense(conv, 0, 2))
	fresh := testenv.NewBook()
	check(t, bob.Pull(fresh))
	check(t, fresh.Dense(conv, 0, 2))
	if h := bob.History(conv); len(h) != 3 || h[1].MessageID != before.MessageID || h[2].Type != frame.TypeMemberRemove {
		t.Errorf("history is %+v", h)
	}
	synced, _ := fresh.Conversation(conv)
	for what, c := range map[string]frame.Conversation{"details": bob.Get(conv), "sync": synced} {
		if c.Membership != "removed" || c.Name != "Team" || c.HeadSeq != 2 || c.UnreadCount != 0 {
			t.Errorf("%s: %+v", what, c)
		}
		if c.LastMessage != nil && c.LastMessage.Seq > 2 {
			t.Errorf("%s shows message %d", what, c.LastMessage.Seq)
		}
	}
	bob.Refused(fault.NotMember, "POST", path+"/messages", testenv.Text("", "let me in"))
	bob.Refused(fault.NotMember, "PATCH", path, name("mine"))
	bob.Refused(fault.NotMember, "GET", path+"/members", nil)
	bob.Refused(fault.NotMember, "DELETE", path+"/members/"+bob.ID, nil)
	live.Send(frame.SendMessage, testenv.Text(conv, "let me in"))
	live.Refused(fault.NotMember)
	if page := bob.Page(conv, "afterSeq=2"); len(page.Messages) != 0 || page.HasMore {
		t.Errorf("after the removal: %+v", page)
	}
}

func TestGroup_AnAddedMemberReadsFromItsJoinOn(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", us[2])
	path := "/conversations/" + conv
	old := alice.Post(conv, "before bob")
	live := bob.Socket(nil)
	alice.Do("POST", path+"/members", add(bob), nil)
	live.Updated(frame.TypeMemberAdd)
	after := alice.Post(conv, "welcome")
	live.Received(after.MessageID)
	check(t, live.Book.Dense(conv, 2, 3))
	fresh := testenv.NewBook()
	check(t, bob.Pull(fresh))
	check(t, fresh.Dense(conv, 2, 3))
	if h := bob.Page(conv, "limit=200"); len(h.Messages) != 2 || h.HasMore {
		t.Errorf("history is %+v", h)
	}
	if h := bob.Page(conv, "beforeSeq=2"); len(h.Messages) != 0 {
		t.Errorf("bob reads %+v", h.Messages)
	}
	m := testenv.Text("", "quoting what I cannot see")
	m.ReplyToMessageID = old.MessageID
	bob.Refused(fault.UnknownMessage, "POST", path+"/messages", m)
	live.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: old.MessageID, Status: "read"})
	live.Refused(fault.UnknownMessage)
	if c := bob.Get(conv); c.UnreadCount != 1 {
		t.Errorf("bob has %d unread, want 1", c.UnreadCount)
	}
	// Removed and added again: from the last join on.
	alice.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
	alice.Post(conv, "behind bob's back")
	alice.Do("POST", path+"/members", add(bob), nil)
	live.Holds(conv, 6)
	if h := bob.Page(conv, "limit=200"); len(h.Messages) != 1 || h.Messages[0].Seq != 6 {
		t.Errorf("after the second join: %+v", h.Messages)
	}
	if live.Book.Has(conv, 5) {
		t.Error("bob got what was said between the memberships")
	}
}

func TestGroup_RightsAreThoseOfTheRole(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := us[0], us[1], us[2], us[3]
	conv := alice.Group("Team", bob, carol)
	path := "/conversations/" + conv
	bob.Refused(fault.InsufficientRole, "PATCH", path, name("x"))
	bob.Refused(fault.InsufficientRole, "POST", path+"/members", add(dave))
	bob.Refused(fault.InsufficientRole, "POST", path+"/members", rest.AddMembers{UserIDs: []string{"nobody@localhost"}})
	bob.Refused(fault.InsufficientRole, "DELETE", path+"/members/"+carol.ID, nil)
	bob.Refused(fault.InsufficientRole, "PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "owner"})
	alice.Refused(fault.UnknownUser, "POST", path+"/members", rest.AddMembers{UserIDs: []string{"nobody@localhost"}})
	alice.Refused(fault.UnknownUser, "DELETE", path+"/members/"+dave.ID, nil)
	alice.Refused(fault.AlreadyMember, "POST", path+"/members", add(dave, bob))
	alice.Refused(fault.InvalidField, "PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "king"})
	alice.Do("PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "admin"}, nil)
	bob.Do("POST", path+"/members", add(dave), nil)
	bob.Refused(fault.InsufficientRole, "DELETE", path+"/members/"+alice.ID, nil)
	bob.Do("DELETE", path+"/members/"+carol.ID, nil, nil)
	alice.Do("DELETE", path+"/members/"+alice.ID, nil, nil)
	if c := bob.Get(conv); c.Role != "owner" {
		t.Errorf("bob is %s after the owner left", c.Role)
	}
	direct := alice.Direct(bob)
	alice.Refused(fault.DirectFixed, "PATCH", "/conversations/"+direct, name("x"))
	alice.Refused(fault.DirectFixed, "POST", "/conversations/"+direct+"/members", add(carol))
	alice.Refused(fault.DirectFixed, "DELETE", "/conversations/"+direct+"/members/"+alice.ID, nil)
	alice.Refused(fault.DirectFixed, "DELETE", "/conversations/"+direct+"/members/"+bob.ID, nil)
}

func TestGroup_Takes500MembersAndRefuses501(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	users := make([]*testenv.User, 501)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := n; i < len(users); i += 8 {
				users[i] = srv.User(t, fmt.Sprintf("u%03d", i))
			}
		})
	}
	wg.Wait()
	create := rest.CreateConversation{Type: "group", Name: "All", Members: add(users[1:]...).UserIDs}
	users[0].Refused(fault.GroupFull, "POST", "/conversations", create)
	create.Members = create.Members[:499]
	var c frame.Conversation
	users[0].Do("POST", "/conversations", create, &c)
	if c.MemberCount != 500 {
		t.Errorf("the group has %d members", c.MemberCount)
	}
	path := "/conversations/" + c.ConversationID
	users[0].Refused(fault.GroupFull, "POST", path+"/members", add(users[500]))
	last := users[499].Socket(nil)
	ack := users[0].Post(c.ConversationID, "hello all")
	last.Received(ack.MessageID)
	var seen []string
	for cursor, more := "", true; more; {
		var page rest.Members
		users[7].Do("GET", path+"/members?limit=100&cursor="+cursor, nil, &page)
		for _, m := range page.Members {
			seen = append(seen, m.UserID)
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	if len(seen) != 500 || !slices.IsSorted(seen) || len(slices.Compact(seen)) != 500 {
		t.Errorf("the list has %d members, sorted %v", len(seen), slices.IsSorted(seen))
	}
	users[0].Do("DELETE", path+"/members/"+users[1].ID, nil, nil)
	users[0].Do("POST", path+"/members", add(users[500]), nil)
}

func TestStranger_LearnsNothing(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "mallory")
	alice, mallory := us[0], us[2]
	foreign, direct := alice.Group("Secret", us[1]), alice.Direct(us[1])
	message := alice.Post(foreign, "secret").MessageID
	unknown := "c" + foreign[1:len(foreign)-4] + "AAAA"
	s := mallory.Socket(nil)
	type answers map[string]string
	ask := func(conv string) answers {
		out := answers{}
		p := "/conversations/" + conv
		reply := testenv.Text("", "hi")
		reply.ReplyToMessageID = message
		for _, r := range []struct {
			method, path string
			body         any
		}{
			{"GET", "", nil}, {"PATCH", "", name("mine")}, {"GET", "/messages", nil}, {"GET", "/members", nil},
			{"POST", "/messages", testenv.Text("", "hi")}, {"POST", "/messages", reply}, {"POST", "/members", add(mallory)},
			{"DELETE", "/members/" + mallory.ID, nil}, {"DELETE", "/members/" + alice.ID, nil},
			{"PATCH", "/members/" + mallory.ID, rest.EditMember{Role: "owner"}},
			{"GET", "/messages?afterSeq=0", nil}, {"GET", "/messages?cursor=o.0.-1", nil},
			{"POST", "/owner", rest.TransferOwner{UserID: mallory.ID}}, {"GET", "/bans", nil}, {"PUT", "/bans/" + alice.ID, nil},
			{"DELETE", "/bans/" + mallory.ID, nil}, {"GET", "/links", nil}, {"POST", "/links", rest.CreateLink{}},
			{"DELETE", "/links/AAAAAAAAAAAAAAAA", nil}, {"GET", "/requests", nil}, {"POST", "/requests/" + mallory.ID, nil},
			{"DELETE", "/requests/" + mallory.ID, nil}, {"GET", "/pins", nil}, {"PUT", "/messages/" + message + "/pin", nil},
			{"DELETE", "/messages/" + message + "/pin", nil}, {"PATCH", "", rest.EditConversation{Expects: new(int64)}},
		} {
			f := mallory.Call(r.method, p+r.path, r.body, nil)
			if f == nil {
				t.Errorf("%s %s was answered", r.method, r.path)
				continue
			}
			out["REST "+r.method+r.path+fmt.Sprint(len(out))] = string(f.Code) + f.Message
		}
		for i, m := range []any{testenv.Text(conv, "hi"), frame.Delivery{ConversationID: conv, MessageID: message, Status: "read"}} {
			s.Send([]string{frame.SendMessage, frame.DeliveryAck}[i], m)
			e := s.Refused(fault.UnknownConversation)
			out[fmt.Sprint("socket ", i)] = e.Code + e.Message
		}
		return out
	}
	base := ask(unknown)
	for _, conv := range []string{foreign, direct} {
		for k, got := range ask(conv) {
			if got != base[k] {
				t.Errorf("%s: %q for a foreign conversation, %q for an unknown one", k, got, base[k])
			}
		}
	}
	if res := mallory.Call("GET", "/conversations/"+foreign, nil, nil); res.Code != fault.UnknownConversation || fault.Lookup(res.Code).Status != http.StatusNotFound {
		t.Errorf("got %v", res)
	}
}
