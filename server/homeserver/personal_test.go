// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestSettings_StayWhereTheyAreNotNamedAndSurviveARestart(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	alice := srv.User(t, "alice")
	var s rest.Settings
	alice.Do("GET", "/users/me/settings", nil, &s)
	if !s.ReadReceipts || s.LastSeen != "contacts" || s.WhoMayMessage != "everyone" || string(s.Notifications) != "{}" {
		t.Errorf("by default %+v", s)
	}
	alice.Do("PUT", "/users/me/settings", `{"readReceipts":false}`, &s)
	alice.Do("PUT", "/users/me/settings", `{"whoMayAdd":"nobody","notifications":{"sound":"ding"}}`, &s)
	srv.Restart()
	alice.Do("GET", "/users/me/settings", nil, &s)
	if s.ReadReceipts || s.WhoMayAdd != "nobody" || s.Online != "contacts" || !strings.Contains(string(s.Notifications), "ding") {
		t.Errorf("after a restart %+v", s)
	}
	for _, bad := range []string{`{"lastSeen":"friends"}`, `{"notifications":[]}`, `{"notifications":{"x":"` + strings.Repeat("x", 4096) + `"}}`} {
		alice.Refused(fault.InvalidField, "PUT", "/users/me/settings", bad)
	}
}

func TestBlocks_AreAListOfOnesOwn(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	for range 2 {
		alice.Do("PUT", "/users/me/blocks/"+us[1].ID, nil, nil)
		alice.Do("PUT", "/users/me/blocks/nobody@"+strings.Split(alice.ID, "@")[1], nil, nil)
	}
	alice.Refused(fault.InvalidField, "PUT", "/users/me/blocks/"+alice.ID, nil)
	var list rest.Blocks
	alice.Do("GET", "/users/me/blocks?limit=1", nil, &list)
	if len(list.Blocks) != 1 || list.Blocks[0].UserID != us[1].ID || !list.HasMore {
		t.Errorf("the first page is %+v", list)
	}
	alice.Do("DELETE", "/users/me/blocks/"+us[1].ID, nil, nil)
	alice.Do("DELETE", "/users/me/blocks/"+us[1].ID, nil, nil)
	list = rest.Blocks{}
	alice.Do("GET", "/users/me/blocks", nil, &list)
	if len(list.Blocks) != 1 || !strings.HasPrefix(list.Blocks[0].UserID, "nobody@") {
		t.Errorf("after unblocking: %+v", list)
	}
}

func TestData_IsKeptWithinItsLimits(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	alice := srv.User(t, "alice")
	phone := alice.Device()
	alice.Do("PUT", "/users/me/data/theme", `{"value":{"b":1,"a":[true]}}`, nil)
	var d rest.Datum
	phone.Do("GET", "/users/me/data/theme", nil, &d)
	if d.Key != "theme" || !json.Valid(d.Value) || !strings.Contains(string(d.Value), `"a":[true]`) {
		t.Errorf("the other device reads %+v %s", d, d.Value)
	}
	alice.Refused(fault.UnknownKey, "GET", "/users/me/data/color", nil)
	alice.Refused(fault.UnknownKey, "DELETE", "/users/me/data/color", nil)
	alice.Refused(fault.InvalidField, "PUT", "/users/me/data/"+strings.Repeat("k", 129), `{"value":1}`)
	alice.Refused(fault.InvalidField, "PUT", "/users/me/data/theme", `{}`)
	alice.Refused(fault.ContentTooLarge, "PUT", "/users/me/data/theme", `{"value":"`+strings.Repeat("x", 64<<10)+`"}`)
	for i := 1; i < 256; i++ {
		alice.Do("PUT", fmt.Sprintf("/users/me/data/k%d", i), `{"value":1}`, nil)
	}
	alice.Refused(fault.QuotaExceeded, "PUT", "/users/me/data/more", `{"value":1}`)
	alice.Do("PUT", "/users/me/data/theme", `{"value":2}`, nil)
	alice.Do("DELETE", "/users/me/data/theme", nil, nil)
	alice.Do("PUT", "/users/me/data/more", `{"value":1}`, nil)
	var keys rest.Data
	alice.Do("GET", "/users/me/data?limit=100", nil, &keys)
	if len(keys.Keys) != 100 || keys.Keys[0] != "k1" || keys.NextCursor != keys.Keys[99] {
		t.Errorf("the first page has %d keys, next %q", len(keys.Keys), keys.NextCursor)
	}
}

// await waits for a frame of the type and returns its data.
func await(s *testenv.Socket, typ string) string {
	return string(s.Await(typ, func(f testenv.Frame) bool { return f.Type == typ }).Data)
}

func settings(t *testing.T, u *testenv.User, conv, body string) frame.Conversation {
	t.Helper()
	var c frame.Conversation
	u.Do("PUT", "/conversations/"+conv+"/settings", body, &c)
	return c
}

func TestPrefs_AreSeenByAllDevicesOfOneUserOnly(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	other, bobs := testenv.NewBook(), testenv.NewBook()
	check(t, alice.Device().Pull(other))
	check(t, bob.Pull(bobs))
	live := alice.Device().Socket(nil)
	c := settings(t, alice, conv, `{"isPinned":true,"draft":"Dear \u0022all\u0022","mutedUntil":1795435200000}`)
	if !c.IsPinned || c.Draft != `Dear "all"` || c.MutedUntil != 1795435200000 || c.Notifications != "all" {
		t.Errorf("the answer is %+v", c)
	}
	settings(t, alice, conv, `{"isArchived":true,"markedUnread":true,"notifications":"mentions"}`)
	got := await(live, frame.ConversationSettings)
	if !strings.Contains(got, `"isPinned":true`) {
		t.Errorf("live: %s", got)
	}
	page, f := alice.Sync(other.Cursor())
	if f != nil || len(page.Conversations) != 1 || !page.Conversations[0].IsArchived || !page.Conversations[0].IsPinned || len(page.Receipts) != 0 {
		t.Errorf("by sync: %+v %v", page, f)
	}
	if page, f := bob.Sync(bobs.Cursor()); f != nil || len(page.Conversations)+len(page.Receipts) != 0 {
		t.Errorf("bob got %+v %v", page, f)
	}
	srv.Restart()
	if c := alice.Get(conv); !c.IsArchived || !c.MarkedUnread || c.Draft == "" || c.Notifications != "mentions" {
		t.Errorf("after a restart %+v", c)
	}
	ack := bob.Post(conv, "read me")
	alice.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: "read"}, nil)
	if c := alice.Get(conv); c.MarkedUnread || !c.IsArchived {
		t.Errorf("after reading %+v", c)
	}
	for _, bad := range []string{`{"notifications":"some"}`, `{"mutedUntil":-1}`, `{"draft":"` + strings.Repeat("x", 4097) + `"}`} {
		alice.Refused(fault.InvalidField, "PUT", "/conversations/"+conv+"/settings", bad)
	}
	srv.User(t, "mallory").Refused(fault.UnknownConversation, "PUT", "/conversations/"+conv+"/settings", `{}`)
	bob.Do("DELETE", "/conversations/"+conv+"/members/"+bob.ID, nil, nil)
	check(t, bob.Pull(bobs))
	if c := settings(t, bob, conv, `{"isArchived":true}`); !c.IsArchived || c.Membership != "left" {
		t.Errorf("a former member: %+v", c)
	}
	if page, f := bob.Sync(bobs.Cursor()); f != nil || len(page.Conversations) != 1 || !page.Conversations[0].IsArchived {
		t.Errorf("a former member by sync: %+v %v", page, f)
	}
}

func TestBlock_KeepsOutWithoutASign(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	bob.Post(conv, "before")
	book := testenv.NewBook()
	check(t, alice.Pull(book))
	live := alice.Socket(book.Clone())
	alice.Do("PUT", "/users/me/blocks/"+bob.ID, nil, nil)
	kept := ""
	for i := range 3 {
		ack := bob.Post(conv, fmt.Sprint("kept out ", i))
		if kept = ack.MessageID; ack.Status != "sent" {
			t.Errorf("bob is told %+v", ack)
		}
	}
	if c := alice.Get(conv); c.UnreadCount != 1 || c.LastMessage == nil || c.LastMessage.Content != "before" || c.HeadSeq != 1 {
		t.Errorf("alice sees %+v %+v", c, c.LastMessage)
	}
	page, f := alice.Sync(book.Cursor())
	if f != nil || len(page.Messages) != 0 || len(page.Conversations) != 1 || len(page.AccountData) != 1 {
		t.Errorf("alice's sync gave %+v %v", page, f)
	}
	live.Alive()
	for _, m := range alice.Page(conv, "afterSeq=1").Messages {
		if m.Withheld != "blocked" || m.Content != "" {
			t.Errorf("alice's page shows %+v", m)
		}
	}
	last := alice.Page(conv, "limit=1").Messages[0]
	alice.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: last.MessageID, Status: "read"}, nil)
	for _, m := range bob.Page(conv, "afterSeq=0").Messages {
		if m.Status != "sent" {
			t.Errorf("bob sees that %d is %s", m.Seq, m.Status)
		}
	}
	bob.Refused(fault.CannotAdd, "POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{alice.ID}})
	alice.Do("DELETE", "/users/me/blocks/"+bob.ID, nil, nil)
	ack := bob.Post(conv, "after")
	live.Received(ack.MessageID)
	list := alice.Page(conv, "afterSeq=0").Messages
	if list[0].Content != "before" || list[1].Withheld != "blocked" || list[4].Content != "after" {
		t.Errorf("after the unblock: %+v", list)
	}
	if c := alice.Get(conv); c.UnreadCount != 1 || c.LastMessage.Content != "after" {
		t.Errorf("after the unblock %+v", c)
	}
	bob.Do("PATCH", "/conversations/"+conv+"/messages/"+kept, rest.EditMessage{Content: "an edit of what was kept out"}, nil)
	bob.Do("PATCH", "/conversations/"+conv+"/messages/"+ack.MessageID, rest.EditMessage{Content: "after all"}, nil)
	for _, want := range []string{"", "after all"} {
		var edited frame.Edited
		live.Expect(frame.MessageEdited, &edited)
		if edited.Content != want || edited.Event == nil || edited.Event.Content != want || edited.Event.TargetMessageID == "" && want != "" {
			t.Errorf("alice gets live %+v, want the content %q", edited, want)
		}
	}
	check(t, alice.Pull(book))
}

func TestRequests_AreAskedOnceAndAnsweredInPrivate(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	alice.Do("PUT", "/users/me/settings", `{"whoMayMessage":"contacts","whoMayAdd":"contacts"}`, nil)
	away, live := testenv.NewBook(), alice.Socket(nil)
	check(t, alice.Pull(away))
	bob.Refused(fault.CannotAdd, "POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{alice.ID}})
	conv := bob.Direct(alice)
	for i := range 3 {
		bob.Post(conv, fmt.Sprint("hello ", i))
	}
	if got := await(live, frame.MessageRequest); !strings.Contains(got, bob.ID) || strings.Contains(got, "hello") {
		t.Errorf("live: %s", got)
	}
	if c := alice.Get(conv); !c.IsRequest || c.LastMessage != nil || c.UnreadCount != 0 {
		t.Errorf("alice sees %+v", c)
	}
	page, f := alice.Sync(away.Cursor())
	if f != nil || len(page.Messages) != 0 || len(page.Conversations) != 1 || page.Conversations[0].Gap == nil || page.Conversations[0].Gap.BeforeSeq != 4 {
		t.Errorf("by sync: %+v %v", page, f)
	}
	list := alice.Page(conv, "afterSeq=0").Messages
	if len(list) != 3 || list[0].Content != "hello 0" {
		t.Errorf("alice opens it and sees %+v", list)
	}
	alice.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: list[2].MessageID, Status: "read"}, nil)
	if m := bob.Page(conv, "limit=1").Messages[0]; m.Status != "sent" {
		t.Errorf("bob sees %s", m.Status)
	}
	alice.Do("POST", "/conversations/"+conv+"/decline", nil, nil)
	alice.Do("POST", "/conversations/"+conv+"/decline", nil, nil)
	var all rest.Conversations
	alice.Do("GET", "/conversations", nil, &all)
	if len(all.Conversations) != 0 {
		t.Errorf("after declining alice's list has %+v", all)
	}
	alice.Do("GET", "/conversations?hidden=true", nil, &all)
	if len(all.Conversations) != 1 || all.Conversations[0].ConversationID != conv || !all.Conversations[0].IsHidden {
		t.Errorf("the hidden ones are %+v", all)
	}
	check(t, alice.Pull(away))
	bob.Post(conv, "still there?")
	if page, f := alice.Sync(away.Cursor()); f != nil || len(page.Conversations)+len(page.Messages) != 0 {
		t.Errorf("after declining: %+v %v", page, f)
	}
	watch := bob.Socket(nil)
	alice.Do("POST", "/conversations/"+conv+"/accept", nil, nil)
	srv.Until("bob learns what alice read", func() bool { return watch.Book.Receipt(conv, alice.ID).ReadSeq == 3 })
	if c := alice.Get(conv); c.IsRequest || c.IsHidden || c.UnreadCount != 1 || c.LastMessage.Content != "still there?" {
		t.Errorf("after accepting %+v", c)
	}
	bob.Do("POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{alice.ID}}, nil) // A contact now.
	alice.Refused(fault.NotARequest, "POST", "/conversations/"+conv+"/decline", nil)
	alice.Do("PUT", "/users/me/settings", `{"whoMayMessage":"nobody"}`, nil)
	quiet := carol.Direct(alice)
	carol.Post(quiet, "hello")
	all = rest.Conversations{}
	alice.Do("GET", "/conversations", nil, &all)
	if len(all.Conversations) != 2 {
		t.Errorf("nobody may ask, yet alice's list has %d", len(all.Conversations))
	}
	if alice.Direct(carol) != quiet || alice.Get(quiet).IsHidden {
		t.Error("alice writes to carol herself and does not see it")
	}
}

func TestContacts_AreMadeByAnAnswerAndNotByAStranger(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := us[0], us[1], us[2], us[3]
	alice.Do("PUT", "/users/me/settings", `{"whoMayAdd":"contacts"}`, nil)
	conv, empty, twice := bob.Direct(alice), carol.Direct(alice), dave.Direct(alice)
	bob.Post(conv, "hello")
	adds := func(u *testenv.User, known bool) {
		t.Helper()
		group := rest.CreateConversation{Type: "group", Members: []string{alice.ID}}
		if known {
			u.Do("POST", "/conversations", group, nil)
		} else {
			u.Refused(fault.CannotAdd, "POST", "/conversations", group)
		}
	}
	for _, u := range []*testenv.User{bob, carol, dave} {
		adds(u, false)
	}
	alice.Post(conv, "hello yourself")
	alice.Do("POST", "/conversations/"+empty+"/accept", nil, nil)
	if alice.Direct(dave) != twice {
		t.Error("alice makes another conversation with dave")
	}
	srv.Restart()
	for _, u := range []*testenv.User{bob, carol, dave} {
		adds(u, true)
	}
}

func TestHiddenReads_ShowDeliveredOnlyAndHideThoseOfOthers(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	direct, group := alice.Direct(bob), alice.Group("Team", bob, carol)
	bob.Do("PUT", "/users/me/settings", `{"readReceipts":false}`, nil)
	for _, conv := range []string{direct, group} {
		ack := alice.Post(conv, "x")
		path := "/conversations/" + conv
		bob.Do("POST", path+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: "delivered"}, nil)
		book := testenv.NewBook()
		srv.Until("alice learns that it was delivered", func() bool {
			check(t, alice.Pull(book))
			return book.Receipt(conv, bob.ID).DeliveredSeq == 1
		})
		bob.Do("POST", path+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: "read"}, nil)
		if c := bob.Get(conv); c.UnreadCount != 0 || c.ReadSeq != 1 {
			t.Errorf("bob sees %+v", c)
		}
		mine := testenv.NewBook()
		srv.Until("bob's other devices learn it", func() bool {
			check(t, bob.Pull(mine))
			return mine.Receipt(conv, bob.ID).ReadSeq == 1
		})
		if page, f := alice.Sync(book.Cursor()); f != nil || len(page.Receipts)+len(page.Conversations) != 0 {
			t.Errorf("alice is told that something moved: %+v %v", page, f)
		}
		var r rest.MessageReceipts
		alice.Do("GET", path+"/messages/"+ack.MessageID+"/receipts?limit=1", nil, &r)
		if r.DeliveredCount != 1 || r.ReadCount != 0 || r.Receipts[0].Status != "delivered" {
			t.Errorf("receipts: %+v", r)
		}
		var m rest.Members
		alice.Do("GET", path+"/members", nil, &m)
		if m.Members[1].UserID != bob.ID || m.Members[1].DeliveredSeq != 1 || m.Members[1].ReadSeq != 0 {
			t.Errorf("members: %+v", m)
		}
	}
	if m := alice.Page(direct, "limit=1").Messages[0]; m.Status != "delivered" {
		t.Errorf("history says %s", m.Status)
	}
	mine := bob.Post(direct, "y")
	alice.Do("POST", "/conversations/"+direct+"/receipts", rest.Acknowledge{MessageID: mine.MessageID, Status: "read"}, nil)
	if m := bob.Page(direct, "limit=1").Messages[0]; m.Status != "delivered" {
		t.Errorf("bob, who shows nothing, sees %s", m.Status)
	}
}

func TestReceipts_CountThoseWhoWereThere(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice := us[0]
	conv := alice.Group("Team", us[1], us[2])
	path := "/conversations/" + conv
	ack := alice.Post(conv, "who is there?")
	alice.Do("POST", path+"/members", add(us[3]), nil)
	us[1].Do("POST", path+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: "read"}, nil)
	us[2].Do("POST", path+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: "delivered"}, nil)
	var r rest.MessageReceipts
	us[2].Do("GET", path+"/messages/"+ack.MessageID+"/receipts?limit=1", nil, &r)
	if r.MemberCount != 2 || r.DeliveredCount != 2 || r.ReadCount != 1 || len(r.Receipts) != 1 || r.Receipts[0].Status != "read" || !r.HasMore {
		t.Errorf("the first page: %+v", r)
	}
	next := r.NextCursor
	r = rest.MessageReceipts{}
	us[2].Do("GET", path+"/messages/"+ack.MessageID+"/receipts?cursor="+next, nil, &r)
	if len(r.Receipts) != 1 || r.Receipts[0].UserID != us[2].ID || r.Receipts[0].Status != "delivered" || r.ReadCount != 1 {
		t.Errorf("the second page: %+v", r)
	}
	us[3].Refused(fault.UnknownMessage, "GET", path+"/messages/"+ack.MessageID+"/receipts", nil)
}

func TestStars_ListWhatIsThere(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	var acks []frame.Ack
	for i := range 3 {
		acks = append(acks, bob.Post(conv, fmt.Sprint(i)))
		for range 2 {
			alice.Do("PUT", "/conversations/"+conv+"/messages/"+acks[i].MessageID+"/star", nil, nil)
		}
	}
	alice.Do("DELETE", "/conversations/"+conv+"/messages/"+acks[1].MessageID+"/star", nil, nil)
	var m rest.Messages
	alice.Do("GET", "/users/me/starred?limit=1", nil, &m)
	if len(m.Messages) != 1 || m.Messages[0].Content != "2" || !m.HasMore {
		t.Errorf("the first page is %+v", m)
	}
	next := m.NextCursor
	m = rest.Messages{}
	alice.Do("GET", "/users/me/starred?cursor="+next, nil, &m)
	if len(m.Messages) != 1 || m.Messages[0].Content != "0" || m.HasMore {
		t.Errorf("the second page is %+v", m)
	}
	bob.Do("GET", "/users/me/starred", nil, &m)
	if len(m.Messages) != 0 {
		t.Errorf("bob has %+v", m)
	}
	srv.User(t, "mallory").Refused(fault.UnknownConversation, "PUT", "/conversations/"+conv+"/messages/"+acks[0].MessageID+"/star", nil)
}

func TestHiding_TakesAMessageFromOneUser(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	bob.Post(conv, "kept")
	ack := bob.Post(conv, "hidden")
	away := testenv.NewBook()
	check(t, alice.Pull(away))
	live := alice.Device().Socket(nil)
	one := "/conversations/" + conv + "/messages/" + ack.MessageID
	alice.Do("PUT", one+"/star", nil, nil)
	for range 2 {
		alice.Do("DELETE", one+"?for=me", nil, nil)
	}
	if got := await(live, frame.MessageDeleted); !strings.Contains(got, `"for_me"`) || !strings.Contains(got, ack.MessageID) {
		t.Errorf("live: %s", got)
	}
	page, f := alice.Sync(away.Cursor())
	if f != nil || len(page.AccountData) != 2 || page.AccountData[1].Type != "hidden" || page.AccountData[1].Key != conv+"/"+ack.MessageID {
		t.Errorf("by sync: %+v %v", page, f)
	}
	list := alice.Page(conv, "afterSeq=1").Messages
	if len(list) != 1 || list[0].DeletedAt == 0 || list[0].Content != "" || list[0].Seq != 2 {
		t.Errorf("alice's page: %+v", list)
	}
	if c := alice.Get(conv); c.LastMessage == nil || c.LastMessage.Content != "kept" || c.HeadSeq != 2 {
		t.Errorf("alice sees %+v", c.LastMessage)
	}
	var stars rest.Messages
	alice.Do("GET", "/users/me/starred", nil, &stars)
	if len(stars.Messages) != 0 {
		t.Errorf("starred: %+v", stars)
	}
	if m := bob.Page(conv, "limit=1").Messages[0]; m.Content != "hidden" || m.DeletedAt != 0 {
		t.Errorf("bob sees %+v", m)
	}
	first, last := testenv.NewBook(), bob.Get(conv).LastMessage
	check(t, alice.Pull(first))
	if e := first.Events(conv); e[2].Content != "" || e[2].DeletedAt == 0 || last.Content != "hidden" {
		t.Errorf("by a first sync %+v, bob's preview %+v", e, last)
	}
	alice.Refused(fault.InvalidField, "DELETE", one+"?for=you", nil)
}
