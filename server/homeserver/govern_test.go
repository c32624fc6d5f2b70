// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func ptr[T any](v T) *T { return &v }

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

func TestGovern_SettingsAreSeenByMembersAndStayAfterARestart(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
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
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
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

func TestGovern_ABannedMemberIsOutAndStaysOut(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "mallory")
	alice, bob, mallory := us[0], us[1], us[2]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
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
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := us[0], us[1], us[2], us[3]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
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

func TestGovern_PinsAreThoseTheReaderMaySee(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
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

func TestGovern_AnOwnerHandsOverInOneEntry(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
	bob.Refused(fault.InsufficientRole, "POST", path+"/owner", rest.TransferOwner{UserID: bob.ID})
	carol.Refused(fault.UnknownConversation, "POST", path+"/owner", rest.TransferOwner{UserID: carol.ID})
	alice.Refused(fault.UnknownUser, "POST", path+"/owner", rest.TransferOwner{UserID: carol.ID})
	alice.Refused(fault.InvalidField, "POST", path+"/owner", rest.TransferOwner{UserID: "x"})
	var c frame.Conversation
	alice.Do("POST", path+"/owner", rest.TransferOwner{UserID: bob.ID}, &c)
	if c.Role != "admin" || c.HeadSeq != 1 || bob.Get(conv).Role != "owner" {
		t.Errorf("alice is %s, bob %s, head %d", c.Role, bob.Get(conv).Role, c.HeadSeq)
	}
}

func TestGovern_WhoJudgedByAnOlderStateIsTold(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
	alice.Do("PATCH", path, rest.EditConversation{Name: ptr("x"), Description: ptr("y"), Expects: ptr(int64(0))}, nil)
	alice.Refused(fault.StateChanged, "PATCH", path, rest.EditConversation{Name: ptr("z"), Expects: ptr(int64(1))})
	alice.Refused(fault.StateChanged, "POST", path+"/members", rest.AddMembers{UserIDs: []string{carol.ID}, Expects: ptr(int64(0))})
	alice.Refused(fault.StateChanged, "PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "admin", Expects: ptr(int64(0))})
	alice.Refused(fault.StateChanged, "POST", path+"/owner", rest.TransferOwner{UserID: bob.ID, Expects: ptr(int64(1))})
	alice.Refused(fault.StateChanged, "POST", path+"/links", rest.CreateLink{Expects: ptr(int64(1))})
	alice.Post(conv, "changes no state")
	alice.Do("POST", path+"/links", rest.CreateLink{Expects: ptr(int64(2))}, nil)
}

// A demotion and what the demoted one does at the same moment: the log decides, and nothing that stands after the demotion
// was done without the right.
func TestGovern_ADemotionAndActsOfTheDemotedAreDecidedByTheLog(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	names := []string{"alice", "bob"}
	for i := range 8 {
		names = append(names, fmt.Sprint("m", i))
	}
	us := srv.Users(t, names...)
	alice, bob, others := us[0], us[1], us[2:]
	conv := alice.Group("Team", us[1:]...)
	path := "/conversations/" + conv
	for round := range 6 {
		alice.Do("PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "admin"}, nil)
		var wg sync.WaitGroup
		results := make([]*fault.Error, len(others))
		for i, o := range others {
			wg.Go(func() {
				switch i % 3 {
				case 0:
					results[i] = bob.Call("DELETE", path+"/members/"+o.ID, nil, nil)
				case 1:
					results[i] = bob.Call("PUT", path+"/bans/"+o.ID, nil, nil)
				case 2:
					results[i] = bob.Call("PATCH", path, rest.EditConversation{Description: ptr(fmt.Sprint(round, i))}, nil)
				}
			})
		}
		wg.Go(func() { alice.Do("PATCH", path+"/members/"+bob.ID, rest.EditMember{Role: "member"}, nil) })
		wg.Wait()
		accepted := 0
		for i, f := range results {
			switch {
			case f == nil:
				accepted++
			case f.Code != fault.InsufficientRole:
				t.Errorf("round %d, act %d: %v", round, i, f)
			}
		}
		demoted, acts := int64(-1), 0
		for _, e := range alice.History(conv) {
			switch {
			case e.Type == frame.TypeMemberRole:
				if demoted = -1; e.Change.Role == "member" {
					demoted = e.Seq
				}
				if e.Change.Role == "admin" {
					acts = 0
				}
			case e.SenderID == bob.ID:
				if acts++; demoted >= 0 {
					t.Errorf("round %d: seq %d by bob, who was demoted at %d", round, e.Seq, demoted)
				}
			}
		}
		if acts != accepted {
			t.Errorf("round %d: %d acts were accepted, %d stand in the log", round, accepted, acts)
		}
		for _, o := range others {
			_ = alice.Call("DELETE", path+"/bans/"+o.ID, nil, nil)
			_ = alice.Call("POST", path+"/members", add(o), nil)
		}
	}
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

func TestGovern_ADirectConversationHasATimerAndPins(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Direct(bob)
	path := "/conversations/" + conv
	var c frame.Conversation
	bob.Do("PATCH", path, rest.EditConversation{EphemeralTimer: ptr(int64(604800))}, &c)
	if c.EphemeralTimer != 604800 || c.Permissions != nil || c.HistoryVisibility != "" {
		t.Errorf("bob sees %+v", c)
	}
	m := alice.Post(conv, "hello").MessageID
	bob.Do("PUT", path+"/messages/"+m+"/pin", nil, nil)
	alice.Do("DELETE", path+"/messages/"+m+"/pin", nil, nil)
	for _, in := range []rest.EditConversation{{SlowMode: ptr(int64(1))}, {Description: ptr("x")}, {HistoryVisibility: ptr("shared")}, {Permissions: map[string]string{"send": "admin"}}} {
		alice.Refused(fault.DirectFixed, "PATCH", path, in)
	}
	alice.Refused(fault.DirectFixed, "PUT", path+"/bans/"+carol.ID, nil)
	alice.Refused(fault.DirectFixed, "POST", path+"/links", rest.CreateLink{})
	alice.Refused(fault.DirectFixed, "GET", path+"/requests", nil)
	alice.Refused(fault.DirectFixed, "POST", path+"/owner", rest.TransferOwner{UserID: bob.ID})
	carol.Refused(fault.UnknownConversation, "PATCH", path, rest.EditConversation{EphemeralTimer: ptr(int64(0))})
}
