// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
	"parley.chat/spec"
)

func limited(l config.Limits) testenv.Option {
	return testenv.Configure(func(c *config.Config) { c.Limits = l })
}

// sends posts texts until one is refused, and returns how many were taken and the refusal.
func sends(u *testenv.User, conv string, most int) (int, *fault.Error) {
	for n := range most {
		if f := u.Call("POST", "/conversations/"+conv+"/messages", testenv.Text("", "x"), nil); f != nil {
			return n, f
		}
	}
	return most, nil
}

func wantLimited(t *testing.T, f *fault.Error, most time.Duration) {
	t.Helper()
	if f == nil || f.Code != fault.RateLimited || f.RetryAfter <= 0 || f.RetryAfter > most {
		t.Errorf("got %v, want rate_limited within %v", f, most)
	}
}

func TestLimits_AUserIsBoundedOverAllConversationsAndInEachGroup(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), limited(config.Limits{MessagesPerMinute: 10, GroupMessagesPerMinute: 4}))
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	group, other, direct := alice.Group("one", bob), alice.Group("two", bob), alice.Direct(bob) // Three entries of alice's.
	n, f := sends(alice, group, 20)
	if wantLimited(t, f, time.Minute); n != 4 {
		t.Errorf("%d messages in a group, want 4", n)
	}
	if n, f := sends(bob, group, 2); n != 2 {
		t.Errorf("another member is limited: %v", f)
	}
	n, f = sends(alice, direct, 20)
	if wantLimited(t, f, time.Minute); n != 3 {
		t.Errorf("%d messages elsewhere, want 3", n)
	}
	alice.Refused(fault.RateLimited, "POST", "/conversations/"+other+"/messages", testenv.Text("", "x"))
	alice.Refused(fault.RateLimited, "PATCH", "/conversations/"+other, name("three"))
	alice.Do("DELETE", "/conversations/"+other+"/members/"+alice.ID, nil, nil)
	clock.Add(f.RetryAfter)
	if n, f := sends(alice, direct, 1); n != 1 {
		t.Errorf("after retryAfterMs: %v", f)
	}
}

func TestLimits_ARepeatIsNeverLimitedAwayAndTheSocketNamesTheTempID(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, limited(config.Limits{MessagesPerMinute: 2}))
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	conv := alice.Direct(us[1])
	s := alice.Socket(nil)
	first := testenv.Text(conv, "first")
	send := func() frame.Ack { s.Send(frame.SendMessage, first); return s.Ack(first.TempID) }
	ack := send()
	if again := send(); again != ack {
		t.Errorf("the repeat got %+v, want %+v", again, ack)
	}
	second := testenv.Text(conv, "second")
	s.Send(frame.SendMessage, second)
	e := s.Refused(fault.RateLimited)
	if e.TempID != second.TempID || e.ConversationID != conv || e.RetryAfterMs <= 0 {
		t.Errorf("refused with %+v", e)
	}
	if again := send(); again != ack {
		t.Errorf("the repeat got %+v, want %+v", again, ack)
	}
}

func TestLimits_ARestartDoesNotBeginAnew(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, limited(config.Limits{MessagesPerMinute: 8, GroupMessagesPerMinute: 5, NewcomerConversations: 3}))
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	direct, group := alice.Direct(us[1]), alice.Group("", us[1])
	if n, f := sends(alice, group, 4); n != 4 {
		t.Fatal(f)
	}
	srv.Restart()
	n, f := sends(alice, group, 9)
	if wantLimited(t, f, time.Minute); n > 1 {
		t.Errorf("%d more in the group, want 1 at most", n)
	}
	alice.Get(direct)
	n, f = sends(alice, direct, 9)
	if wantLimited(t, f, time.Minute); n > 2 {
		t.Errorf("%d more elsewhere, want 2 at most", n)
	}
	srv.Restart()
	alice.Get(group)
	f = alice.Refused(fault.RateLimited, "POST", "/conversations", rest.CreateConversation{Type: "group"})
	wantLimited(t, f, 24*time.Hour)
}

func TestLimits_ANewcomerCreatesFewConversations(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), limited(config.Limits{NewcomerConversations: 3, ConversationsPerDay: 5}),
		testenv.Assemble(func(o *homeserver.Options) { o.AccessLife = 1000 * time.Hour }))
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	group := rest.CreateConversation{Type: "group", Members: []string{}}
	conv := alice.Direct(bob)
	alice.Group("one")
	bob.Group("bob's", alice) // Of somebody else.
	srv.Restart()
	alice.Refused(fault.UnknownUser, "POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{"nobody@localhost"}})
	alice.Group("two")
	f := alice.Refused(fault.RateLimited, "POST", "/conversations", group)
	wantLimited(t, f, 24*time.Hour)
	if alice.Direct(bob) != conv {
		t.Error("the direct conversation that exists is not found")
	}
	clock.Add(f.RetryAfter)
	for range 5 - 3 {
		alice.Do("POST", "/conversations", group, nil)
	}
	clock.Add(time.Hour)
	for range 3 {
		alice.Do("POST", "/conversations", group, nil)
	}
	wantLimited(t, alice.Refused(fault.RateLimited, "POST", "/conversations", group), 24*time.Hour)
}

func TestLimits_LookingForNamesIsBounded(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), limited(config.Limits{LookupsPerMinute: 10}))
	clock.Add(time.Minute)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("", bob)
	alice.Do("POST", "/conversations/"+conv+"/members", add(carol), nil)
	for range 2 {
		alice.Do("GET", "/users/"+bob.ID, nil, nil)
	}
	names := rest.CreateConversation{Type: "group", Members: []string{bob.ID, carol.ID, "nobody@localhost", bob.ID, bob.ID, bob.ID, bob.ID, bob.ID}}
	alice.Refused(fault.UnknownUser, "POST", "/conversations", names)
	wantLimited(t, alice.Refused(fault.RateLimited, "GET", "/users/"+bob.ID, nil), time.Minute)
	alice.Refused(fault.RateLimited, "POST", "/conversations", names)
	alice.Refused(fault.RateLimited, "POST", "/conversations/"+conv+"/members", add(carol))
	bob.Do("GET", "/users/"+alice.ID, nil, nil)
}

// TestLimits_EveryWayToAskWhoExistsCounts misses by one way until the allowance is spent, and is refused by all of them.
func TestLimits_EveryWayToAskWhoExistsCounts(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), limited(config.Limits{LookupsPerMinute: 3}),
		testenv.Assemble(func(o *homeserver.Options) { o.AccessLife = 1000 * time.Hour }))
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	group := "/conversations/" + alice.Group("", bob)
	var channel frame.Conversation
	alice.Do("POST", "/conversations", rest.CreateConversation{Type: "channel", Name: "news", Members: []string{}}, &channel)
	news := "/conversations/" + channel.ConversationID
	s := alice.Socket(nil)
	const nobody = "nobody@localhost"
	rested := func(method, path string, body any) func(fault.Code) {
		return func(want fault.Code) { t.Helper(); alice.Refused(want, method, path, body) }
	}
	ways := map[string]func(fault.Code){
		"createConversation": rested("POST", "/conversations", rest.CreateConversation{Type: "group", Members: []string{nobody}}),
		"addMembers":         rested("POST", group+"/members", rest.AddMembers{UserIDs: []string{nobody}}),
		"createReport":       rested("POST", "/reports", rest.CreateReport{UserID: nobody, Reason: rest.ReasonSpam}),
		"ban":                rested("PUT", group+"/bans/"+nobody, nil),
		"addSubscribers":     rested("POST", news+"/subscribers", rest.AddSubscribers{UserIDs: []string{nobody}}),
		"removeSubscriber":   rested("DELETE", news+"/subscribers/"+nobody+"?ban=true", nil),
		"getPresence":        rested("GET", "/users/"+nobody+"/presence", nil),
		"getUser":            rested("GET", "/users/"+nobody, nil),
		"presence": func(want fault.Code) {
			t.Helper()
			s.Send(frame.PresenceFrame, frame.PresenceRequest{Subscribe: []string{nobody}})
			s.Refused(want)
		},
	}
	for name, way := range ways {
		clock.Add(time.Minute + 5*time.Second) // The window slides in steps.
		for range 3 {
			way(fault.UnknownUser)
		}
		for _, other := range ways {
			other(fault.RateLimited)
		}
		if t.Failed() {
			t.Fatalf("after %s", name)
		}
	}
	s.Send(frame.PresenceFrame, frame.PresenceRequest{Heartbeat: true}) // This asks about nobody.
	clock.Add(time.Minute + 5*time.Second)
	var p frame.Presence
	srv.Until("alice is online", func() bool {
		alice.Do("GET", "/users/"+alice.ID+"/presence", nil, &p)
		return p.Status == "online"
	})
	bob.Do("GET", "/users/"+alice.ID, nil, nil)
}

func TestLimits_LookupsBeginWithHalfAfterARestart(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), limited(config.Limits{LookupsPerMinute: 10}))
	us := srv.Users(t, "alice", "bob")
	look := func() (n int) {
		for ; n < 20; n++ {
			if f := us[0].Call("GET", "/users/"+us[1].ID, nil, nil); f != nil {
				wantLimited(t, f, time.Minute)
				return n
			}
		}
		return n
	}
	if n := look(); n != 5 {
		t.Errorf("%d lookups pass in the first minute, want 5", n)
	}
	clock.Add(time.Minute + 5*time.Second)
	if n := look(); n != 10 {
		t.Errorf("%d lookups pass in the second minute, want 10", n)
	}
	srv.Restart()
	if n := look(); n != 5 {
		t.Errorf("%d lookups pass after a restart, want 5", n)
	}
}

func TestLimits_DiscoveryTellsThem(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, limited(config.Default().Limits))
	res, err := http.Get(srv.URL + "/.well-known/parley/client")
	check(t, err)
	defer res.Body.Close()
	var d rest.Discovery
	check(t, json.NewDecoder(res.Body).Decode(&d))
	for name, want := range map[string]int64{
		"messagesPerMinute": 200, "groupMessagesPerMinute": 30, "newcomerConversations": 10, "conversationsPerDay": 500, "lookupsPerMinute": 120, "searchesPerMinute": 30,
	} {
		if d.Limits[name] != want {
			t.Errorf("%s is %d, want %d", name, d.Limits[name], want)
		}
	}
}

func TestLimits_AUserAsksSoMuchInASecondAndSendsAsManyFrames(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), limited(config.Limits{RequestsPerSecond: 1}))
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv, s := alice.Direct(bob), alice.Socket(nil)
	clock.Add(10 * time.Second)
	var least, most int
	ask := func() (n int, f *fault.Error) {
		start := time.Now()
		defer func() { least, most = 7, 7+int(time.Since(start).Seconds())+1 }() // The clock moves meanwhile.
		for ; n < 20 && f == nil; n++ {
			f = alice.Call("GET", "/users/me", nil, nil)
		}
		return n, f
	}
	n, f := ask()
	if wantLimited(t, f, 7*time.Second); n < least || n > most {
		t.Errorf("the request %d is refused, want the 7th", n)
	}
	bob.Do("GET", "/users/me", nil, nil)
	for range 6 {
		s.Send("nonsense", struct{}{}) // Frames without a meaning count too.
		s.Refused(fault.UnknownType)
	}
	text := testenv.Text(conv, "x")
	s.Send(frame.SendMessage, text)
	if e := s.Refused(fault.RateLimited); e.TempID != text.TempID || e.RetryAfterMs <= 0 {
		t.Errorf("the socket answers %+v", e)
	}
	clock.Add(f.RetryAfter)
	if n, f := ask(); n < least || n > most {
		t.Errorf("after retryAfterMs the request %d is refused: %v", n, f)
	}
	s.Send(frame.SendMessage, text)
	s.Ack(text.TempID)
}

// Discovery lists every feature that is in force, and no other.
func TestDiscovery_ListsTheFeaturesInForce(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.Configure(func(c *config.Config) { c.Federation.Enabled = true }))
	raw, err := fs.ReadFile(spec.Files(), "features.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(raw)) {
		if entry, ok := strings.CutPrefix(line, "- {name: "); ok && strings.Contains(entry, "status: current") {
			name, _, _ := strings.Cut(entry, ",")
			want = append(want, name)
		}
	}
	res, err := http.Get(srv.URL + "/.well-known/parley/client")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got rest.Discovery
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got.Features)
	if d := cmp.Diff(want, got.Features); d != "" || len(want) < 10 {
		t.Errorf("listed (+) against spec/features.yaml (-):\n%s", d)
	}
}
