// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestGovern_ABannedMemberIsOutAndStaysOut(t *testing.T) {
	t.Parallel()
	_, us, conv, path := team(t, "alice", "bob", "mallory")
	alice, bob, mallory := us[0], us[1], us[2]
	link := invite(alice, conv, rest.CreateLink{})
	bs, ms := bob.Socket(nil), mallory.Socket(nil)
	bob.Refused(fault.InsufficientRole, "PUT", path+"/bans/"+mallory.ID, nil)
	bob.Refused(fault.InsufficientRole, "PUT", path+"/bans/nobody@localhost", nil)
	alice.Refused(fault.UnknownUser, "PUT", path+"/bans/nobody@localhost", nil)
	alice.Do("PUT", path+"/bans/"+bob.ID, nil, nil)
	alice.Do("PUT", path+"/bans/"+bob.ID, nil, nil) // Again is as good.
	alice.Do("PUT", path+"/bans/"+mallory.ID, nil, nil)
	bs.Updated(frame.TypeMemberBan)
	alice.Post(conv, "without them")
	if c := bob.Get(conv); c.Membership != "banned" || c.HeadSeq != 2 {
		t.Errorf("bob sees %+v", c)
	}
	bob.Refused(fault.NotMember, "POST", path+"/messages", testenv.Text("", "x"))
	for _, u := range []*testenv.User{bob, mallory} {
		u.Refused(fault.Banned, "POST", "/links/join", rest.LinkToken{Token: link.Token})
		u.Refused(fault.Banned, "POST", "/links/preview", rest.LinkToken{Token: link.Token})
		alice.Refused(fault.Banned, "POST", path+"/members", add(u))
	}
	mallory.Refused(fault.UnknownConversation, "GET", path, nil)
	mallory.Refused(fault.UnknownConversation, "GET", path+"/bans", nil)
	var list rest.Conversations
	mallory.Do("GET", "/conversations", nil, &list)
	if len(list.Conversations) != 0 {
		t.Errorf("a banned stranger lists %+v", list)
	}
	var page rest.Bans
	alice.Do("GET", path+"/bans?limit=1", nil, &page)
	if len(page.Bans) != 1 || page.Bans[0].UserID != bob.ID || page.Bans[0].BannedBy != alice.ID || !page.HasMore {
		t.Errorf("bans are %+v", page)
	}
	alice.Do("GET", path+"/bans?limit=1&cursor="+page.NextCursor, nil, &page)
	if len(page.Bans) != 1 || page.Bans[0].UserID != mallory.ID || page.HasMore {
		t.Errorf("then %+v", page)
	}
	alice.Do("DELETE", path+"/bans/"+mallory.ID, nil, nil)
	alice.Do("DELETE", path+"/bans/"+bob.ID, nil, nil)
	bob.Refused(fault.NotMember, "POST", path+"/messages", testenv.Text("", "x"))
	if c := join(bob, link.Token); c.Membership != "joined" {
		t.Errorf("bob is %+v", c)
	}
	marker := alice.Post(alice.Direct(mallory), "marker")
	ms.Received(marker.MessageID)
	if got := ms.Book.Events(conv); len(got) != 0 {
		t.Errorf("the stranger was told %+v", got)
	}
}
