// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// invite makes a link and returns it.
func invite(u *testenv.User, conv string, in rest.CreateLink) rest.Link {
	var out rest.Link
	u.Do("POST", "/conversations/"+conv+"/links", in, &out)
	return out
}

func join(u *testenv.User, token string) frame.Conversation {
	var out frame.Conversation
	u.Do("POST", "/links/join", rest.LinkToken{Token: token}, &out)
	return out
}

func TestGovern_LinksLetInWhoHoldsThemAsLongAsTheyMay(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now))
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := us[0], us[1], us[2], us[3]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
	as, cs := alice.Socket(nil), carol.Socket(nil)
	bob.Refused(fault.InsufficientRole, "POST", path+"/links", rest.CreateLink{})
	bob.Refused(fault.InsufficientRole, "GET", path+"/links", nil)
	link := invite(alice, conv, rest.CreateLink{MaxUses: 1})
	var look rest.LinkPreview
	carol.Do("POST", "/links/preview", rest.LinkToken{Token: link.Token}, &look)
	if look.ConversationID != conv || look.Name != "Team" || look.MemberCount != 2 || look.IsMember || look.NeedsApproval {
		t.Errorf("preview %+v", look)
	}
	carol.Refused(fault.UnknownConversation, "GET", path, nil)
	if c := join(carol, link.Token); c.Membership != "joined" || c.MemberCount != 3 || c.Role != "member" {
		t.Errorf("carol joined as %+v", c)
	}
	if e := as.Updated(frame.TypeMemberJoin); e.SenderID != carol.ID || e.Change.LinkID != link.LinkID {
		t.Errorf("alice is told %+v", e)
	}
	cs.Updated(frame.TypeMemberJoin)
	if c := join(carol, link.Token); c.MemberCount != 3 {
		t.Errorf("joining again: %+v", c)
	}
	dave.Refused(fault.LinkUsedUp, "POST", "/links/join", rest.LinkToken{Token: link.Token})
	short := invite(alice, conv, rest.CreateLink{ExpiresAt: clock.Now().Add(time.Minute).UnixMilli()})
	dave.Do("POST", "/links/preview", rest.LinkToken{Token: short.Token}, nil)
	clock.Add(2 * time.Minute)
	dave.Refused(fault.LinkExpired, "POST", "/links/preview", rest.LinkToken{Token: short.Token})
	dave.Refused(fault.LinkExpired, "POST", "/links/join", rest.LinkToken{Token: short.Token})
	other := invite(alice, conv, rest.CreateLink{})
	alice.Do("DELETE", path+"/links/"+other.LinkID, nil, nil)
	alice.Do("DELETE", path+"/links/"+other.LinkID, nil, nil)
	dave.Refused(fault.LinkRevoked, "POST", "/links/join", rest.LinkToken{Token: other.Token})
	alice.Refused(fault.LinkInvalid, "DELETE", path+"/links/AAAAAAAAAAAAAAAA", nil)
	var links rest.Links
	alice.Do("GET", path+"/links", nil, &links)
	if len(links.Links) != 2 || links.Links[0].LinkID != link.LinkID || links.Links[0].Uses != 1 || links.Links[0].Token != "" {
		t.Errorf("links are %+v", links)
	}
	for _, e := range alice.History(conv) {
		if e.Type == frame.TypeLinkCreate && (e.Change.LinkID == "" || e.Change.SecretHash != "") {
			t.Errorf("the log shows %+v", e.Change)
		}
	}
	strangersOfLinks(t, dave, conv, link.Token)
}

// strangersOfLinks tries tokens that are none: the answers must be the same, whatever there is.
func strangersOfLinks(t *testing.T, u *testenv.User, conv, token string) {
	t.Helper()
	replaced := func(at int) string {
		b := []byte(token)
		b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
		return string(b)
	}
	want := ""
	for what, bad := range map[string]string{
		"another secret": replaced(70), "another link": replaced(50), "another conversation": replaced(10),
		"the id alone": "pl_" + conv[1:], "nothing": "", "nonsense": "hello",
	} {
		for _, path := range []string{"/links/join", "/links/preview"} {
			f := u.Refused(fault.LinkInvalid, "POST", path, rest.LinkToken{Token: bad})
			if want != "" && f.Error() != want {
				t.Errorf("%s with %s: %v, want %s", path, what, f, want)
			}
			want = f.Error()
		}
	}
}

func TestGovern_RequestsWaitForAMemberAndShowNothing(t *testing.T) {
	t.Parallel()
	_, us, conv, path := team(t, "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := us[0], us[1], us[2], us[3]
	link := invite(alice, conv, rest.CreateLink{NeedsApproval: true})
	as, cs := alice.Socket(nil), carol.Socket(nil)
	for range 2 {
		var asked rest.JoinRequested
		carol.Do("POST", "/links/join", rest.LinkToken{Token: link.Token}, &asked)
		if asked.Status != "requested" || asked.ConversationID != conv {
			t.Errorf("carol is told %+v", asked)
		}
	}
	dave.Do("POST", "/links/join", rest.LinkToken{Token: link.Token}, nil)
	as.Updated(frame.TypeJoinRequest)
	carol.Refused(fault.UnknownConversation, "GET", path, nil)
	carol.Refused(fault.UnknownConversation, "POST", path+"/messages", testenv.Text("", "x"))
	carol.Refused(fault.UnknownConversation, "POST", path+"/requests/"+carol.ID, nil)
	bob.Refused(fault.InsufficientRole, "GET", path+"/requests", nil)
	bob.Refused(fault.InsufficientRole, "POST", path+"/requests/"+carol.ID, nil)
	var page rest.JoinRequests
	alice.Do("GET", path+"/requests", nil, &page)
	if len(page.Requests) != 2 || page.Requests[0].UserID != carol.ID || page.Requests[0].LinkID != link.LinkID {
		t.Errorf("requests are %+v", page)
	}
	alice.Do("POST", path+"/requests/"+carol.ID, nil, nil)
	cs.Updated(frame.TypeMemberAdd)
	alice.Refused(fault.AlreadyMember, "POST", path+"/requests/"+carol.ID, nil)
	alice.Do("DELETE", path+"/requests/"+dave.ID, nil, nil)
	alice.Refused(fault.UnknownUser, "DELETE", path+"/requests/"+dave.ID, nil)
	alice.Refused(fault.UnknownUser, "POST", path+"/requests/"+dave.ID, nil)
	if c := carol.Get(conv); c.Membership != "joined" {
		t.Errorf("carol is %+v", c)
	}
	dave.Refused(fault.UnknownConversation, "GET", path, nil)
}

func TestGovern_TheLastUseOfALinkIsOne(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	names := []string{"alice"}
	for i := range 12 {
		names = append(names, fmt.Sprint("m", i))
	}
	us := srv.Users(t, names...)
	conv := us[0].Group("Team")
	link := invite(us[0], conv, rest.CreateLink{MaxUses: 5})
	var wg sync.WaitGroup
	results := make([]*fault.Error, len(us))
	for i, u := range us[1:] {
		wg.Go(func() { results[i] = u.Call("POST", "/links/join", rest.LinkToken{Token: link.Token}, nil) })
	}
	wg.Wait()
	in, out := 0, 0
	for _, f := range results[:12] {
		switch {
		case f == nil:
			in++
		case f.Code == fault.LinkUsedUp:
			out++
		default:
			t.Error(f)
		}
	}
	if c := us[0].Get(conv); in != 5 || out != 7 || c.MemberCount != 6 {
		t.Errorf("%d came in, %d did not; the group has %d members", in, out, c.MemberCount)
	}
}
