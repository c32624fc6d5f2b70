// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/bus"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// asks sends a presence frame.
func asks(s *testenv.Socket, in frame.PresenceRequest) { s.Send(frame.PresenceFrame, in) }

func beats(s *testenv.Socket) { asks(s, frame.PresenceRequest{Heartbeat: true}) }

func watches(s *testenv.Socket, users ...*testenv.User) {
	in := frame.PresenceRequest{}
	for _, u := range users {
		in.Subscribe = append(in.Subscribe, u.ID)
	}
	asks(s, in)
}

// shows waits for the next presence frame of the user and wants its status.
func shows(t *testing.T, s *testenv.Socket, u *testenv.User, status string) (p frame.Presence) {
	t.Helper()
	s.Await(u.ID+" is "+status, func(f testenv.Frame) bool {
		p = frame.Presence{}
		return f.Type == frame.PresenceFrame && f.Decode(&p) == nil && p.UserID == u.ID
	})
	if p.Status != status {
		t.Errorf("%s is shown %s, want %s", u.ID, p.Status, status)
	}
	return p
}

func countOf(s *testenv.Socket, typ string) (n int) {
	for _, f := range s.Frames() {
		if f.Type == typ {
			n++
		}
	}
	return n
}

// settled waits until what was sent before has come to the socket: the answer to a frame that is refused comes after it.
func settled(s *testenv.Socket) {
	asks(s, frame.PresenceRequest{Status: "asleep"})
	s.Refused(fault.InvalidField)
}

func TestPresence_IsToldToWhoWatchesAndToNobodyElse(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]testenv.Option{"one database": nil, "two databases": {testenv.TwoDatabases}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := testenv.Start(t, opts...)
			us := srv.Users(t, "alice", "bob", "carol")
			alice, bob, carol := us[0], us[1], us[2]
			alice.Group("all", bob, carol)
			a, other, c := alice.Socket(nil), alice.Socket(nil), carol.Socket(nil)
			b := bob.Socket(nil)
			watches(a, bob)
			if p := shows(t, a, bob, "offline"); p.LastSeen != 0 {
				t.Errorf("last seen at %d before the first time", p.LastSeen)
			}
			beats(b)
			shows(t, a, bob, "online")
			asks(b, frame.PresenceRequest{Status: "offline"})
			p := shows(t, a, bob, "offline")
			if age := time.Now().UnixMilli() - p.LastSeen; p.LastSeen%60_000 != 0 || age < 0 || age > 120_000 {
				t.Errorf("last seen at %d, %d ms ago", p.LastSeen, age)
			}
			var got frame.Presence
			carol.Do("GET", "/users/"+bob.ID+"/presence", nil, &got)
			if diff := cmp.Diff(p, got); diff != "" {
				t.Error(diff)
			}
			beats(b)
			shows(t, a, bob, "online")
			b.Drop()
			shows(t, a, bob, "offline")
			for _, s := range []*testenv.Socket{other, c} {
				settled(s)
				if n := countOf(s, frame.PresenceFrame); n != 0 {
					t.Errorf("%d presence frames came to who does not watch", n)
				}
			}
		})
	}
}

func TestPresence_AThousandComingsAndGoingsWithoutAWatcherAreNoFrame(t *testing.T) {
	t.Parallel()
	const users, each = 20, 10 // sockets
	srv := testenv.Start(t)
	var names []string
	for i := range users {
		names = append(names, fmt.Sprint("user", i))
	}
	us := srv.Users(t, names...)
	us[0].Group("everybody", us[1:]...)
	sockets := make([]*testenv.Socket, users*each)
	var wg sync.WaitGroup
	for i, u := range us {
		wg.Go(func() {
			for j := range each {
				sockets[i*each+j] = u.Socket(nil)
			}
		})
	}
	wg.Wait()
	for i := range sockets {
		wg.Go(func() {
			for range 25 {
				beats(sockets[i])
				asks(sockets[i], frame.PresenceRequest{Status: "offline"})
			}
			beats(sockets[i])
			settled(sockets[i])
		})
	}
	wg.Wait()
	for _, s := range sockets {
		if n := countOf(s, frame.PresenceFrame); n != 0 {
			t.Fatalf("%d presence frames", n)
		}
	}
	if n := srv.Gauge(`parley_presence_frames_total{type="presence"}`); n != 0 {
		t.Errorf("%v frames were made", n)
	}
	if n := srv.Gauge("parley_presence_online_users"); n != users {
		t.Errorf("%v users are online", n)
	}
	watches(sockets[0], us[7])
	shows(t, sockets[0], us[7], "online")
	if n := srv.Gauge("parley_presence_watched_users"); n != 1 {
		t.Errorf("%v users are watched", n)
	}
}

func TestPresence_SettingsAndBlocksHideWithoutATrace(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "never")
	alice, bob, never := us[0], us[1], us[2]
	alice.Group("all", bob, never)
	a, b := alice.Socket(nil), bob.Socket(nil)
	watches(a, bob)
	shows(t, a, bob, "offline")
	beats(b)
	shows(t, a, bob, "online")
	hidden := func(why string) {
		t.Helper()
		var p, n frame.Presence
		alice.Do("GET", "/users/"+bob.ID+"/presence", nil, &p)
		alice.Do("GET", "/users/"+never.ID+"/presence", nil, &n)
		p.UserID = never.ID
		if diff := cmp.Diff(n, p); diff != "" {
			t.Errorf("%s: %s", why, diff)
		}
	}
	bob.Do("PUT", "/users/me/settings", `{"online":"nobody","lastSeen":"nobody"}`, nil)
	hidden("settings")
	if p := shows(t, a, bob, "offline"); p.LastSeen != 0 {
		t.Errorf("told %+v", p)
	}
	beats(a)
	settled(a)
	watches(b, alice) // Who hides sees nothing either.
	shows(t, b, alice, "offline")
	bob.Do("PUT", "/users/me/settings", `{"online":"everyone","lastSeen":"everyone"}`, nil)
	shows(t, a, bob, "online")
	shows(t, b, alice, "online")
	alice.Do("PUT", "/users/me/blocks/"+bob.ID, nil, nil)
	hidden("a block of one's own")
	shows(t, a, bob, "offline")
	shows(t, b, alice, "offline")
	alice.Do("DELETE", "/users/me/blocks/"+bob.ID, nil, nil)
	shows(t, a, bob, "online")
	bob.Do("PUT", "/users/me/blocks/"+alice.ID, nil, nil)
	shows(t, a, bob, "offline")
	hidden("a block of the other")
}

func TestPresence_StrangersSeeOnlyWhoShowsThemselvesToEveryone(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	b := us[1].Socket(nil)
	beats(b)
	settled(b)
	var p frame.Presence
	us[0].Do("GET", "/users/"+us[1].ID+"/presence", nil, &p)
	if p.Status != "offline" {
		t.Errorf("a stranger sees %+v", p)
	}
	us[1].Do("PUT", "/users/me/settings", `{"online":"everyone"}`, nil)
	us[0].Do("GET", "/users/"+us[1].ID+"/presence", nil, &p)
	if p.Status != "online" {
		t.Errorf("a stranger sees %+v of who shows it to everyone", p)
	}
	us[0].Refused(fault.UnknownUser, "GET", "/users/nobody@localhost/presence", nil)
	us[0].Refused(fault.InvalidField, "GET", "/users/nobody/presence", nil)
}

func TestPresence_LastSeenSurvivesARestartAndIsGoneWithTheAccount(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	bob.Direct(alice)
	bob.Do("POST", "/users/me/presence", rest.SetPresence{Status: "online"}, nil)
	var p frame.Presence
	see := func() frame.Presence {
		p = frame.Presence{}
		alice.Do("GET", "/users/"+bob.ID+"/presence", nil, &p)
		return p
	}
	if see().Status != "online" {
		t.Errorf("after a heartbeat by REST: %+v", p)
	}
	bob.Refused(fault.InvalidField, "POST", "/users/me/presence", `{"status":"away"}`)
	srv.Restart() // Who is online at the end was last seen then.
	if see().Status != "offline" || p.LastSeen == 0 {
		t.Errorf("after a restart: %+v", p)
	}
	bob.Do("POST", "/users/me/deactivate", rest.Deactivate{Password: testenv.Password}, nil)
	alice.Refused(fault.UnknownUser, "GET", "/users/"+bob.ID+"/presence", nil)
}

func TestPresence_FramesAreCheckedAndAllOrNothing(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	us[0].Direct(us[1])
	s := us[0].Socket(nil)
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("user%d@localhost", i)
	}
	for code, in := range map[fault.Code]any{
		fault.TooManySubscriptions: frame.PresenceRequest{Subscribe: many, Status: "online"},
		fault.UnknownUser:          frame.PresenceRequest{Subscribe: []string{us[1].ID, "nobody@localhost"}, Status: "online"},
	} {
		s.Send(frame.PresenceFrame, in)
		s.Refused(code)
	}
	for _, in := range []map[string]any{
		{"subscribe": []string{us[1].ID, "bob"}}, {"status": "away", "subscribe": []string{us[1].ID}}, {"subscribe": us[1].ID}, {"heartbeat": 1},
	} {
		s.Send(frame.PresenceFrame, in)
		s.Refused(fault.InvalidField)
	}
	if n := countOf(s, frame.PresenceFrame); n != 0 {
		t.Errorf("%d frames after refusals", n)
	}
	var p frame.Presence
	us[0].Do("GET", "/users/"+us[0].ID+"/presence", nil, &p)
	if p.Status != "offline" {
		t.Errorf("a refused frame made its user %s", p.Status)
	}
}

func TestPresence_AcrossNodes(t *testing.T) {
	t.Parallel()
	gateway, _ := startPair(t, 1, bus.Faults{})
	us := gateway.Users(t, "alice", "bob")
	conv := us[1].Direct(us[0])
	a, b := us[0].Socket(nil), us[1].Socket(nil)
	other := us[0].Socket(nil)
	watches(a, us[1])
	shows(t, a, us[1], "offline")
	beats(b)
	shows(t, a, us[1], "online")
	types(b, conv, true)
	hears(t, a, conv, us[1], true)
	hears(t, other, conv, us[1], true)
	if n := countOf(other, frame.PresenceFrame); n != 0 {
		t.Errorf("%d presence frames came to a connection that does not watch", n)
	}
}
