// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
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
