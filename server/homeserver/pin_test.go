// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"slices"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestGovern_PinsAreThoseTheReaderMaySee(t *testing.T) {
	t.Parallel()
	_, us, conv, path := team(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	first, second := alice.Post(conv, "one").MessageID, bob.Post(conv, "two").MessageID
	pin := func(m string) string { return path + "/messages/" + m + "/pin" }
	live := bob.Socket(nil)
	alice.Do("PUT", pin(first), nil, nil)
	if e := live.Updated(frame.TypePin); e.TargetMessageID != first {
		t.Errorf("live: %+v", e)
	}
	alice.Do("PUT", pin(first), nil, nil)
	alice.Do("PUT", pin(second), nil, nil)
	bob.Refused(fault.InsufficientRole, "PUT", pin(second), nil)
	alice.Do("POST", path+"/members", add(carol), nil)
	third := carol.Post(conv, "three").MessageID
	alice.Do("PATCH", path, rest.EditConversation{Permissions: map[string]string{"pin": "member"}}, nil)
	carol.Refused(fault.UnknownMessage, "PUT", pin(first), nil)
	carol.Refused(fault.UnknownMessage, "PUT", pin("01ARZ3NDEKTSV4RRFFQ69G5FAV"), nil)
	carol.Refused(fault.InvalidField, "PUT", pin("nonsense"), nil)
	carol.Do("PUT", pin(third), nil, nil)
	list := func(u *testenv.User, query string) (out []string, next string) {
		var page rest.Messages
		u.Do("GET", path+"/pins"+query, nil, &page)
		for _, e := range page.Messages {
			out = append(out, e.MessageID)
		}
		return out, page.NextCursor
	}
	if got, _ := list(bob, ""); !slices.Equal(got, []string{third, second, first}) {
		t.Errorf("bob lists %v", got)
	}
	got, next := list(bob, "?limit=2")
	rest, end := list(bob, "?limit=2&cursor="+next)
	if !slices.Equal(append(got, rest...), []string{third, second, first}) || end != "" {
		t.Errorf("pages %v %v", got, rest)
	}
	if got, _ := list(carol, ""); !slices.Equal(got, []string{third}) || !slices.Equal(carol.Get(conv).PinnedMessageIDs, []string{third}) {
		t.Errorf("carol, who came later, lists %v", got)
	}
	if c := bob.Get(conv); !slices.Equal(c.PinnedMessageIDs, []string{first, second, third}) {
		t.Errorf("bob sees %v", c.PinnedMessageIDs)
	}
	bob.Do("DELETE", pin(second), nil, nil)
	bob.Do("DELETE", pin(second), nil, nil)
	if got, _ := list(bob, ""); !slices.Equal(got, []string{third, first}) {
		t.Errorf("then bob lists %v", got)
	}
	bob.Refused(fault.InvalidCursor, "GET", path+"/pins?cursor="+second, nil)
	alice.Do("DELETE", path+"/messages/"+first, nil, nil)
	if got, _ := list(bob, ""); !slices.Equal(got, []string{third}) {
		t.Errorf("after one was deleted bob lists %v", got)
	}
	alice.Refused(fault.UnknownMessage, "PUT", pin(first), nil)
	alice.Do("DELETE", pin(first), nil, nil)
}
