// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// waysToSee reads what a user is shown in a conversation about a message by every way there is.
func waysToSee(t *testing.T, u *testenv.User, conv, message string) map[string]string {
	t.Helper()
	about, out := "/conversations/"+conv+"/messages/"+message, map[string]string{}
	for _, path := range []string{
		"/conversations/" + conv, "/conversations/" + conv + "/messages", about + "/edits", about + "/reactions", "/users/me/starred",
		"/search?conversationId=" + conv, "/search", "/conversations?limit=100", "/sync",
	} {
		var raw json.RawMessage
		u.Do("GET", path, nil, &raw)
		out[path] = string(raw)
	}
	return out
}

func wantNowhere(t *testing.T, when string, shown map[string]string, words ...string) {
	t.Helper()
	for path, raw := range shown {
		for _, w := range words {
			if strings.Contains(raw, w) {
				t.Errorf("%s, GET %s shows %s: %s", when, path, w, raw)
			}
		}
	}
}

func edit(u *testenv.User, conv, message, text string) {
	u.Do("PATCH", "/conversations/"+conv+"/messages/"+message, rest.EditMessage{Content: text}, nil)
}

func TestSight_FormerMembersSeeNothingOfLaterByAnyWay(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	m := alice.Post(conv, "early").MessageID
	edit(alice, conv, m, "amended")
	about := "/conversations/" + conv + "/messages/" + m
	bob.Do("PUT", about+"/star", nil, nil)
	alice.Do("DELETE", "/conversations/"+conv+"/members/"+bob.ID, nil, nil)
	edit(alice, conv, m, "zephyr")
	alice.Do("PUT", about+"/reactions/x", nil, nil)
	shown := waysToSee(t, bob, conv, m)
	wantNowhere(t, "after the end", shown, "zephyr", `"emoji":"x"`, `"changedSeq":4`, `"changedSeq":5`)
	for _, path := range []string{"/search", "/users/me/starred", about + "/edits"} {
		if !strings.Contains(shown[path], "amended") {
			t.Errorf("GET %s does not show what was there at the end: %s", path, shown[path])
		}
	}
}

func TestSight_WhatABlockedPeerDoesIsSeenByNoWay(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	m := bob.Post(conv, "early").MessageID
	own := alice.Post(conv, "mine").MessageID
	path := "/conversations/" + conv + "/messages/"
	alice.Do("PUT", path+m+"/star", nil, nil)
	alice.Do("PUT", "/users/me/blocks/"+bob.ID, nil, nil)
	edit(bob, conv, m, "zephyr")
	bob.Do("PUT", path+m+"/reactions/x", nil, nil)
	bob.Do("PUT", path+own+"/reactions/x", nil, nil)
	withheld := bob.Post(conv, "zephyr too").MessageID
	edit(bob, conv, withheld, "zephyr three")
	look := func(when string) {
		t.Helper()
		for _, one := range []string{m, own, withheld} {
			wantNowhere(t, when, waysToSee(t, alice, conv, one), "zephyr", `"emoji":"x"`)
		}
		if list := waysToSee(t, alice, conv, m)["/users/me/starred"]; !strings.Contains(list, "early") {
			t.Errorf("%s, starred are %s", when, list)
		}
	}
	look("while blocked")
	var answer json.RawMessage
	alice.Do("PATCH", path+own, rest.EditMessage{Content: "mine, edited"}, &answer)
	wantNowhere(t, "while blocked", map[string]string{"the answer": string(answer)}, `"emoji":"x"`)
	alice.Do("PUT", path+m+"/reactions/y", nil, nil)
	alice.Post(conv, "more of mine")
	look("after an own entry")
	alice.Do("DELETE", "/users/me/blocks/"+bob.ID, nil, nil)
	look("once unblocked")
	edit(bob, conv, withheld, "zephyr four")
	bob.Do("PUT", path+m+"/reactions/z", nil, nil)
	look("after an edit of what was withheld")
	if list := waysToSee(t, alice, conv, m)[path+m+"/reactions"]; !strings.Contains(list, `"y"`) || !strings.Contains(list, `"z"`) {
		t.Errorf("the reactions of before and after are %s", list)
	}
	alice.Do("DELETE", path+m+"/reactions/y", nil, nil)
	look("after taking a reaction off")
}

func TestSight_WhatIsDeletedForMeIsSeenByNoWay(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	m := bob.Post(conv, "zephyr one").MessageID
	edit(bob, conv, m, "zephyr two")
	bob.Do("PUT", "/conversations/"+conv+"/messages/"+m+"/reactions/x", nil, nil)
	alice.Do("DELETE", "/conversations/"+conv+"/messages/"+m+"?for=me", nil, nil)
	edit(bob, conv, m, "zephyr three")
	shown := waysToSee(t, alice, conv, m)
	wantNowhere(t, "after deleting it", shown, "zephyr")
	if raw := shown["/conversations/"+conv+"/messages/"+m+"/reactions"]; strings.Contains(raw, "bob") {
		t.Errorf("its reactions are %s", raw)
	}
	if raw := waysToSee(t, bob, conv, m)["/search"]; !strings.Contains(raw, "zephyr three") {
		t.Errorf("bob finds %s", raw)
	}
}

func TestSight_OnlyMessagesAreRepliedToStarredAndHidden(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	conv := alice.Group("Team", us[1])
	edit(alice, conv, alice.Post(conv, "early").MessageID, "late")
	var page rest.Messages
	alice.Do("GET", "/conversations/"+conv+"/messages", nil, &page)
	for _, e := range page.Messages {
		if e.Type == frame.TypeMessage {
			continue
		}
		about, reply := "/conversations/"+conv+"/messages/"+e.MessageID, testenv.Text(conv, "a reply")
		reply.ReplyToMessageID = e.MessageID
		alice.Refused(fault.UnknownMessage, "POST", "/conversations/"+conv+"/messages", reply)
		alice.Refused(fault.UnknownMessage, "PUT", about+"/star", nil)
		alice.Refused(fault.UnknownMessage, "DELETE", about+"?for=me", nil)
	}
	if len(page.Messages) != 3 {
		t.Errorf("%d entries, want 3", len(page.Messages))
	}
}

func TestSight_MentionsThatOneDoesNotGetAreNotCounted(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	mention := func(conv string) frame.Ack {
		in := testenv.Text(conv, "you")
		in.Mentions = []string{alice.ID}
		var ack frame.Ack
		bob.Do("POST", "/conversations/"+conv+"/messages", in, &ack)
		return ack
	}
	want := func(conv string, n int64) {
		t.Helper()
		if c := alice.Get(conv); c.MentionCount != n {
			t.Errorf("mentionCount is %d, want %d", c.MentionCount, n)
		}
	}
	group, direct := alice.Group("Team", bob), alice.Direct(bob)
	mention(group)
	m := mention(group)
	want(group, 2)
	alice.Do("DELETE", "/conversations/"+group+"/messages/"+m.MessageID+"?for=me", nil, nil)
	want(group, 1)
	mention(direct)
	alice.Do("PUT", "/users/me/blocks/"+bob.ID, nil, nil)
	mention(direct)
	want(direct, 1)
	alice.Do("DELETE", "/users/me/blocks/"+bob.ID, nil, nil)
	want(direct, 1)
	alice.Do("PUT", "/users/me/settings", `{"whoMayMessage":"contacts"}`, nil)
	bob = srv.User(t, "carol")
	request := bob.Direct(alice)
	mention(request)
	want(request, 0)
	wantNowhere(t, "before the answer", map[string]string{"/search": strings.Join(found(t, alice, "conversationId="+request), " ")}, "you")
}

func TestSight_PointersOfABlockerDoNotTell(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	pointers := func() (delivered, read int64) {
		var list rest.Members
		bob.Do("GET", "/conversations/"+conv+"/members", nil, &list)
		for _, m := range list.Members {
			if m.UserID == alice.ID {
				delivered, read = m.DeliveredSeq, m.ReadSeq
			}
		}
		return delivered, read
	}
	want := func(when string, seq int64) {
		t.Helper()
		if d, r := pointers(); d != seq || r != seq {
			t.Errorf("%s, bob sees %d %d, want %d", when, d, r, seq)
		}
	}
	bob.Post(conv, "one")
	alice.Do("PUT", "/users/me/blocks/"+bob.ID, nil, nil)
	kept := bob.Post(conv, "two")
	want("while blocked", 0)
	alice.Post(conv, "three")
	want("after the blocker sent", 3)
	kept = bob.Post(conv, "four")
	alice.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: kept.MessageID, Status: "read"}, nil)
	want("after the blocker read", 3)
	alice.Do("DELETE", "/users/me/blocks/"+bob.ID, nil, nil)
	alice.Do("PUT", "/conversations/"+conv+"/settings", `{"isPinned":true}`, nil)
	want("once unblocked", 3)
	last := bob.Post(conv, "five")
	alice.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: last.MessageID, Status: "read"}, nil)
	want("after reading again", 5)
}
