// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func ptr[T any](v T) *T { return &v }

// team starts a server with users and makes a group of the first two, whose id and path it returns.
func team(t *testing.T, names ...string) (srv *testenv.Server, us []*testenv.User, conv, path string) {
	t.Helper()
	srv = testenv.Start(t)
	us = srv.Users(t, names...)
	conv = us[0].Group("Team", us[1])
	return srv, us, conv, "/conversations/" + conv
}

func TestGovern_AnOwnerHandsOverInOneEntry(t *testing.T) {
	t.Parallel()
	_, us, conv, path := team(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
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
	_, us, conv, path := team(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
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
