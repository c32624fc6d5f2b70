// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/federation/people"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

func body(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAnswers_ViewersAndInvitersAreUsersOfTheServerThatAsks(t *testing.T) {
	p := newPair(t, people.Rates{})
	for _, who := range []id.User{"carl@c.test", bob, "alice@a.test.evil", "alice@a.test:8448"} {
		_, err := p.answers.Users(t.Context(), "a.test", body(t, replica.AskUsers{UserIDs: []id.User{bob}, ViewerID: who}))
		wantCode(t, "users for "+string(who), err, fault.InvalidField)
		_, err = p.answers.Invites(t.Context(), "a.test", body(t, replica.AskInvite{Create: group(alice), InviterID: who, UserIDs: []id.User{bob}}))
		wantCode(t, "invite by "+string(who), err, fault.InvalidField)
		_, err = p.answers.Presence(t.Context(), "a.test", body(t, replica.AskPresence{Asks: []replica.Watch{{ViewerID: alice, UserIDs: []id.User{bob}}, {ViewerID: who, UserIDs: []id.User{bob}}}}))
		wantCode(t, "presence for "+string(who), err, fault.InvalidField)
		_, err = p.answers.Links(t.Context(), "a.test", body(t, replica.AskLink{ConversationID: event.ConversationID(nil), LinkID: "L", Secret: "S", UserID: who}))
		wantCode(t, "link of "+string(who), err, fault.InvalidField)
	}
	if p.house.previews != 0 {
		t.Error("a link was looked at")
	}
}

func TestAnswers_AreAboutOwnUsersOnly(t *testing.T) {
	p := newPair(t, people.Rates{})
	p.house.profiles["carl@c.test"] = people.Profile{DisplayName: "Carl"} // Whatever it knows of others is nobody's business.
	out, err := p.answers.Users(t.Context(), "a.test", body(t, replica.AskUsers{UserIDs: []id.User{bob, "carl@c.test"}, ViewerID: alice}))
	want := replica.Users{Users: []replica.User{{UserID: bob, DisplayName: "The bob", AvatarURL: "https://b.test/bob"}, {UserID: "carl@c.test", Code: "unknown_user"}}}
	if d := cmp.Diff(any(want), out); d != "" || err != nil {
		t.Errorf("%v: %s", err, d)
	}
	out, err = p.answers.Users(t.Context(), "a.test", body(t, replica.AskUsers{UserIDs: []id.User{bob}}))
	if d := cmp.Diff(any(replica.Users{Users: []replica.User{{UserID: bob}}}), out); d != "" || err != nil {
		t.Errorf("without a viewer: %v: %s", err, d)
	}
	out, err = p.answers.Invites(t.Context(), "a.test", body(t, replica.AskInvite{Create: group(alice), InviterID: alice, UserIDs: []id.User{"carl@c.test"}}))
	if d := cmp.Diff(any(replica.Invited{Results: []replica.InviteResult{{UserID: "carl@c.test", Code: "unknown_user"}}}), out); d != "" || err != nil {
		t.Errorf("%v: %s", err, d)
	}
}

func TestAnswers_AFloodOfNamesCostsTheViewerAndTheServer(t *testing.T) {
	p := newPair(t, people.Rates{Names: 10, Presence: 30})
	ask := func(origin id.Server, viewer id.User) error {
		_, err := p.answers.Users(t.Context(), origin, body(t, replica.AskUsers{UserIDs: []id.User{bob, ghost}, ViewerID: viewer}))
		return err
	}
	for range 5 {
		if err := ask("a.test", alice); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "one user", ask("a.test", alice), fault.RateLimited)
	var limited error
	invited := 0
	for ; invited < 1000 && limited == nil; invited++ {
		_, limited = p.answers.Invites(t.Context(), "a.test", body(t, replica.AskInvite{Create: group(alice), InviterID: alice, UserIDs: []id.User{bob}}))
	}
	wantCode(t, "one inviter", limited, fault.RateLimited)
	if invited != 101 { // As many as in ten minutes, at once.
		t.Errorf("the invite %d is refused", invited)
	}
	limited = nil
	for i := 0; i < 1000 && limited == nil; i++ {
		limited = ask("a.test", id.User(fmt.Sprintf("u%d@a.test", i)))
	}
	wantCode(t, "one server with many users", limited, fault.RateLimited)
	if err := ask("c.test", "carl@c.test"); err != nil {
		t.Errorf("another server: %v", err)
	}
	limited = nil
	for i := 0; i < 100 && limited == nil; i++ {
		_, limited = p.answers.Presence(t.Context(), "a.test", body(t, replica.AskPresence{Asks: []replica.Watch{{ViewerID: alice, UserIDs: []id.User{bob, ben}}}}))
	}
	wantCode(t, "presence", limited, fault.RateLimited)
	p.clock.add(2 * time.Minute)
	if err := ask("a.test", alice); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestAnswers_ADatabaseThatIsAwayIsAnError(t *testing.T) {
	p := newPair(t, people.Rates{})
	p.house.err = errors.New("away")
	for name, do := range map[string]func() (any, error){
		"users": func() (any, error) {
			return p.answers.Users(t.Context(), "a.test", body(t, replica.AskUsers{UserIDs: []id.User{bob}}))
		},
		"invites": func() (any, error) {
			return p.answers.Invites(t.Context(), "a.test", body(t, replica.AskInvite{Create: group(alice), InviterID: alice, UserIDs: []id.User{bob}}))
		},
		"presence": func() (any, error) {
			return p.answers.Presence(t.Context(), "a.test", body(t, replica.AskPresence{Asks: []replica.Watch{{ViewerID: alice, UserIDs: []id.User{bob}}}}))
		},
	} {
		if _, err := do(); !errors.Is(err, p.house.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"userIds":["bob@b.test"],"viewerId":"alice@a.test"}`))
	f.Add([]byte(`{"asks":[{"viewerId":"alice@a.test","userIds":["bob@b.test"]}]}`))
	f.Add([]byte(`{"conversationId":"c` + strings.Repeat("A", 43) + `","linkId":"L","secret":"S","userId":"alice@a.test"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := people.NewAnswers(people.AnswerOptions{Self: "b.test", Local: newHouse(bob)})
		for _, do := range []func() (any, error){
			func() (any, error) { return a.Users(t.Context(), "a.test", raw) }, func() (any, error) { return a.Invites(t.Context(), "a.test", raw) },
			func() (any, error) { return a.Presence(t.Context(), "a.test", raw) }, func() (any, error) { return a.Links(t.Context(), "a.test", raw) },
		} {
			out, err := do()
			if err != nil {
				if fault.From(err).Code == fault.Internal {
					t.Fatal(err)
				}
				continue
			}
			if strings.Contains(string(body(t, out)), "amy") {
				t.Fatal("it speaks of others")
			}
		}
	})
}
