// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// abroad is alice on a.test and bob on b.test, with a clock that both servers have.
type abroad struct {
	a, b       *testenv.Server
	alice, bob *testenv.User
	clock      *ticker
}

func newAbroad(t *testing.T) *abroad {
	t.Helper()
	net := testenv.NewFederation(t)
	w := &abroad{clock: &ticker{}}
	w.a, w.b = net.Start("a.test", testenv.Clock(w.clock.now)), net.Start("b.test", testenv.Clock(w.clock.now))
	w.alice, w.bob = w.a.User(t, "alice"), w.b.User(t, "bob")
	return w
}

func TestAbroad_ProfilesAreThoseOfTheUsersServer(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	var got rest.Profile
	w.alice.Do("GET", "/users/bob@b.test", nil, &got)
	if d := cmp.Diff(rest.Profile{UserID: "bob@b.test", DisplayName: "bob"}, got); d != "" {
		t.Error(d)
	}
	w.bob.Do("PUT", "/users/me", `{"displayName":"Bob","avatarUrl":"/media/bob.png"}`, nil)
	w.clock.add(6 * time.Minute)
	w.alice.Do("GET", "/users/bob@b.test", nil, &got)
	if d := cmp.Diff(rest.Profile{UserID: "bob@b.test", DisplayName: "Bob", AvatarURL: "https://b.test/media/bob.png"}, got); d != "" {
		t.Errorf("after a change: %s", d)
	}
	w.alice.Refused(fault.UnknownUser, "GET", "/users/nobody@b.test", nil)
	w.bob.Do("GET", "/users/alice@a.test", nil, nil)
	w.b.Stop()
	w.alice.Refused(fault.UnknownUser, "GET", "/users/nobody@b.test", nil)
	if f := w.alice.Refused(fault.ServerUnreachable, "GET", "/users/carol@b.test", nil); f.RetryAfter <= 0 {
		t.Error("it is not said when to try again")
	}
}

func TestAbroad_WhoIsAddedIsAskedForAtTheirServer(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	carol := w.b.User(t, "carol")
	carol.Do("PUT", "/users/me/settings", `{"whoMayAdd":"contacts"}`, nil)
	group := func(members ...string) rest.CreateConversation {
		return rest.CreateConversation{Type: "group", Members: members}
	}
	w.alice.Refused(fault.UnknownUser, "POST", "/conversations", group(w.bob.ID, "nobody@b.test"))
	w.alice.Refused(fault.CannotAdd, "POST", "/conversations", group(w.bob.ID, carol.ID))
	w.alice.Refused(fault.UnknownUser, "POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{"nobody@b.test"}})
	var c frame.Conversation
	w.alice.Do("POST", "/conversations", group(w.bob.ID), &c)
	if c.MemberCount != 2 {
		t.Errorf("the group is %+v", c)
	}
	add := "/conversations/" + c.ConversationID + "/members"
	w.alice.Refused(fault.CannotAdd, "POST", add, rest.AddMembers{UserIDs: []string{carol.ID}})
	carol.Do("PUT", "/users/me/blocks/alice@a.test", nil, nil)
	carol.Do("PUT", "/users/me/settings", `{"whoMayAdd":"everyone"}`, nil)
	w.alice.Refused(fault.CannotAdd, "POST", add, rest.AddMembers{UserIDs: []string{carol.ID}})
	carol.Do("DELETE", "/users/me/blocks/alice@a.test", nil, nil)
	w.alice.Do("POST", add, rest.AddMembers{UserIDs: []string{carol.ID}}, &c)
	if c.MemberCount != 3 {
		t.Errorf("the group is %+v", c)
	}
	w.b.Stop()
	w.alice.Refused(fault.ServerUnreachable, "POST", "/conversations", group(w.bob.ID))
	w.alice.Do("PUT", "/conversations/"+c.ConversationID+"/bans/dora@b.test", nil, nil) // A ban needs nobody's leave.
}

func TestAbroad_ALinkIsShownByTheHubThatItNames(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	var c frame.Conversation
	w.alice.Do("POST", "/conversations", rest.CreateConversation{Type: "group", Name: "Open"}, &c)
	var link rest.Link
	w.alice.Do("POST", "/conversations/"+c.ConversationID+"/links", rest.CreateLink{}, &link)
	if !strings.HasSuffix(link.Token, "@a.test") {
		t.Errorf("the token is %s", link.Token)
	}
	var see rest.LinkPreview
	w.bob.Do("POST", "/links/preview", rest.LinkToken{Token: link.Token}, &see)
	if d := cmp.Diff(rest.LinkPreview{ConversationID: c.ConversationID, Name: "Open", MemberCount: 1}, see); d != "" {
		t.Error(d)
	}
	bare := strings.TrimSuffix(link.Token, "@a.test")
	w.bob.Refused(fault.LinkInvalid, "POST", "/links/preview", rest.LinkToken{Token: bare})
	w.bob.Refused(fault.LinkInvalid, "POST", "/links/preview", rest.LinkToken{Token: bare + "@nowhere.test"})
	w.bob.Refused(fault.LinkInvalid, "POST", "/links/preview", rest.LinkToken{Token: bare[:80] + "AAAA@a.test"})
	w.alice.Do("POST", "/links/preview", rest.LinkToken{Token: bare}, nil)
	w.alice.Do("DELETE", "/conversations/"+c.ConversationID+"/links/"+link.LinkID, nil, nil)
	w.bob.Refused(fault.LinkRevoked, "POST", "/links/preview", rest.LinkToken{Token: link.Token})
	var channel frame.Conversation
	w.alice.Do("POST", "/conversations", `{"type":"channel","name":"News","visibility":"public"}`, &channel)
	w.alice.Do("POST", "/conversations/"+channel.ConversationID+"/links", rest.CreateLink{}, &link)
	w.bob.Refused(fault.LinkInvalid, "POST", "/links/preview", rest.LinkToken{Token: link.Token})
	w.alice.Refused(fault.UnknownUser, "POST", "/conversations/"+channel.ConversationID+"/subscribers", rest.AddSubscribers{UserIDs: []string{w.bob.ID}})
}

func TestAbroad_PresenceIsAskedForAsTheViewerMaySeeIt(t *testing.T) {
	t.Parallel()
	w := newAbroad(t)
	w.bob.Do("PUT", "/users/me/settings", `{"online":"everyone","lastSeen":"nobody"}`, nil)
	a, b := w.alice.Socket(nil), w.bob.Socket(nil)
	watches(a, w.bob)
	shows(t, a, w.bob, "offline")
	beats(b)
	shown := func(status string) {
		t.Helper()
		w.a.Until(w.bob.ID+" is "+status, func() bool {
			w.clock.add(11 * time.Second) // What was told is kept for 10.
			var p frame.Presence
			w.alice.Do("GET", "/users/bob@b.test/presence", nil, &p)
			return p.Status == status && p.LastSeen == 0
		})
	}
	shown("online")
	watches(a, w.bob)
	shows(t, a, w.bob, "online")
	w.bob.Do("PUT", "/users/me/blocks/alice@a.test", nil, nil)
	shown("offline")
	w.bob.Do("DELETE", "/users/me/blocks/alice@a.test", nil, nil)
	shown("online")
	w.alice.Do("PUT", "/users/me/settings", `{"online":"nobody"}`, nil) // Who shows nothing sees nothing.
	shown("offline")
	w.alice.Refused(fault.UnknownUser, "GET", "/users/nobody@b.test/presence", nil)
	asks(a, frame.PresenceRequest{Subscribe: []string{"nobody@b.test"}})
	a.Refused(fault.UnknownUser)
	w.b.Stop()
	shown("offline")
}
