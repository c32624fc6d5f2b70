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

func TestGovern_SettingsAreSeenByMembersAndStayAfterARestart(t *testing.T) {
	t.Parallel()
	srv, us, conv, path := team(t, "alice", "bob")
	alice, bob := us[0], us[1]
	live := bob.Socket(nil)
	in := rest.EditConversation{
		Name: ptr("Crew"), Description: ptr("Every Thursday"), AvatarURL: ptr("https://a.example/x.png"), EphemeralTimer: ptr(int64(86400)),
		HistoryVisibility: ptr("shared"), SlowMode: ptr(int64(1)), ServerSearch: ptr(true), Permissions: map[string]string{"pin": "member"},
	}
	var got frame.Conversation
	alice.Do("PATCH", path, in, &got)
	if e := live.Updated(frame.TypeSettings); e.Change == nil || *e.Change.Description != "Every Thursday" || e.Change.Permissions["pin"] != "member" {
		t.Errorf("live: %+v", e.Change)
	}
	head := got.HeadSeq
	alice.Do("PATCH", path, in, &got)
	if got.HeadSeq != head {
		t.Errorf("setting the same again made an entry: %d after %d", got.HeadSeq, head)
	}
	bob.Refused(fault.InsufficientRole, "PATCH", path, rest.EditConversation{SlowMode: ptr(int64(0))})
	bob.Refused(fault.InsufficientRole, "PATCH", path, rest.EditConversation{Permissions: map[string]string{"ban": "member"}})
	alice.Refused(fault.InvalidField, "PATCH", path, rest.EditConversation{EphemeralTimer: ptr(int64(60))})
	alice.Refused(fault.InvalidField, "PATCH", path, rest.EditConversation{Permissions: map[string]string{"fly": "member"}})
	srv.Restart()
	fresh := testenv.NewBook()
	check(t, bob.Pull(fresh))
	synced, _ := fresh.Conversation(conv)
	for what, c := range map[string]frame.Conversation{"details": bob.Get(conv), "sync": synced} {
		if c.Name != "Crew" || c.Description != "Every Thursday" || c.AvatarURL == "" || c.EphemeralTimer != 86400 || c.HistoryVisibility != "shared" ||
			c.SlowMode != 1 || !c.ServerSearch || c.Permissions["pin"] != "member" || c.Permissions["ban"] != "admin" {
			t.Errorf("%s: %+v", what, c)
		}
	}
	bob.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
	alice.Do("PATCH", path, rest.EditConversation{Description: ptr("without Bob")}, nil)
	if c := bob.Get(conv); c.Description != "" || c.Permissions != nil || c.AvatarURL != "" || c.HistoryVisibility != "" {
		t.Errorf("a former member sees %+v", c)
	}
}

func TestGovern_SlowModeSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	srv, us, conv, _ := team(t, "alice", "bob")
	alice, bob := us[0], us[1]
	alice.Do("PATCH", "/conversations/"+conv, rest.EditConversation{SlowMode: ptr(int64(3600))}, nil)
	first := testenv.Text("", "one")
	bob.Do("POST", "/conversations/"+conv+"/messages", first, nil)
	bob.Do("POST", "/conversations/"+conv+"/messages", first, nil) // The same again is no second message.
	f := bob.Refused(fault.RateLimited, "POST", "/conversations/"+conv+"/messages", testenv.Text("", "two"))
	if f.RetryAfter < 59*time.Minute || f.RetryAfter > time.Hour {
		t.Errorf("wait %v", f.RetryAfter)
	}
	edit := "/conversations/" + conv + "/messages/" + bob.History(conv)[2].MessageID
	bob.Refused(fault.RateLimited, "PATCH", edit, rest.EditMessage{Content: "two"})
	alice.Post(conv, "one")
	alice.Post(conv, "two")
	srv.Restart()
	bob.Refused(fault.RateLimited, "POST", "/conversations/"+conv+"/messages", testenv.Text("", "two"))
	alice.Do("PATCH", "/conversations/"+conv, rest.EditConversation{Permissions: map[string]string{"send": "admin"}}, nil)
	bob.Refused(fault.InsufficientRole, "POST", "/conversations/"+conv+"/messages", testenv.Text("", "two"))
	bob.Refused(fault.InsufficientRole, "PATCH", edit, rest.EditMessage{Content: "two"})
}

func TestGovern_AnEditBeginsTheWaitOfSlowModeAcrossARestart(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team", bob, carol)
	path := "/conversations/" + conv
	sent := bob.Post(conv, "one")
	bob.Do("PATCH", path+"/messages/"+sent.MessageID, rest.EditMessage{Content: "two"}, nil)
	bob.Do("PUT", path+"/messages/"+sent.MessageID+"/reactions/x", nil, nil) // The newest of bob's is neither message nor edit.
	alice.Do("PUT", path+"/messages/"+sent.MessageID+"/reactions/x", nil, nil)
	carol.Do("PUT", path+"/messages/"+sent.MessageID+"/reactions/x", nil, nil)
	alice.Do("PATCH", path, rest.EditConversation{SlowMode: ptr(int64(3600))}, nil)
	srv.Restart()
	bob.Refused(fault.RateLimited, "PATCH", path+"/messages/"+sent.MessageID, rest.EditMessage{Content: "three"})
	bob.Refused(fault.RateLimited, "POST", path+"/messages", testenv.Text("", "three"))
	carol.Post(conv, "who only reacted need not wait")
	carol.Refused(fault.RateLimited, "POST", path+"/messages", testenv.Text("", "twice"))
}

func TestGovern_ANewMemberReadsWhatWasShared(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team")
	path := "/conversations/" + conv
	secret := alice.Post(conv, "before it was shared")
	alice.Do("PATCH", path, rest.EditConversation{HistoryVisibility: ptr("shared")}, nil)
	said := alice.Post(conv, "shared")
	live := bob.Socket(nil)
	alice.Do("POST", path+"/members", add(bob), nil)
	live.Holds(conv, 4)
	if h := bob.History(conv); len(h) != 3 || h[0].Type != frame.TypeSettings || h[1].MessageID != said.MessageID {
		t.Errorf("bob reads %+v", h)
	}
	if c := bob.Get(conv); c.UnreadCount != 0 || c.ReadSeq != 4 || c.LastMessage == nil || c.LastMessage.MessageID != said.MessageID {
		t.Errorf("bob sees %+v", c)
	}
	reply := testenv.Text("", "to what was before me")
	reply.ReplyToMessageID = said.MessageID
	bob.Do("POST", path+"/messages", reply, nil)
	reply = testenv.Text("", "to what I cannot see")
	reply.ReplyToMessageID = secret.MessageID
	bob.Refused(fault.UnknownMessage, "POST", path+"/messages", reply)
	alice.Do("PATCH", path, rest.EditConversation{HistoryVisibility: ptr("joined")}, nil)
	alice.Do("POST", path+"/members", add(carol), nil)
	if h := carol.History(conv); len(h) != 1 || h[0].Type != frame.TypeMemberAdd {
		t.Errorf("carol reads %+v", h)
	}
	if h := bob.History(conv); len(h) != 6 {
		t.Errorf("bob reads %d events after it was closed", len(h))
	}
	srv.Restart()
	if h := bob.History(conv); len(h) != 6 || h[0].Seq != 2 {
		t.Errorf("after a restart bob reads %d events from %d", len(h), h[0].Seq)
	}
}
