// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/ephemeral"
	"parley.chat/federation/people"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

func TestExists_IsAskedOnceAndRemembered(t *testing.T) {
	p := newPair(t, people.Rates{})
	for range 3 {
		for u, want := range map[id.User]bool{bob: true, ghost: false, "anna@nowhere.test": false, "eve@127.0.0.1": false} {
			if got, err := p.Exists(t.Context(), u); got != want || err != nil {
				t.Errorf("%s: %v %v", u, got, err)
			}
		}
	}
	if n := p.wire.count(); n != 3 { // The address in disguise is not asked at all.
		t.Errorf("%d questions", n)
	}
	p.house.set(func() { p.house.profiles[ghost] = people.Profile{}; delete(p.house.profiles, bob) })
	p.clock.add(61 * time.Second)
	if got, err := p.Exists(t.Context(), ghost); !got || err != nil {
		t.Errorf("a minute later: %v %v", got, err)
	}
	if got, err := p.Exists(t.Context(), bob); !got || err != nil {
		t.Errorf("who exists is remembered longer: %v %v", got, err)
	}
	p.clock.add(5 * time.Minute)
	if got, err := p.Exists(t.Context(), bob); got || err != nil {
		t.Errorf("minutes later: %v %v", got, err)
	}
}

func TestProfile_IsThatOfTheViewer(t *testing.T) {
	p := newPair(t, people.Rates{})
	for range 2 {
		got, err := p.Profile(t.Context(), alice, bob)
		want := rest.Profile{UserID: string(bob), DisplayName: "The bob", AvatarURL: "https://b.test/bob"}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v: %s", err, d)
		}
	}
	if _, err := p.Profile(t.Context(), amy, bob); err != nil || p.wire.count() != 2 {
		t.Errorf("for another viewer: %v, %d questions", err, p.wire.count())
	}
	_, err := p.Profile(t.Context(), alice, ghost)
	wantCode(t, "of nobody", err, fault.UnknownUser)
	if _, err := p.Profile(t.Context(), alice, ghost); !fault.Is(err, fault.UnknownUser) || p.wire.count() != 3 {
		t.Errorf("of nobody again: %v, %d questions", err, p.wire.count())
	}
	p.house.set(func() { p.house.profiles[ben] = people.Profile{AvatarURL: "javascript:x"} })
	if got, err := p.Profile(t.Context(), alice, ben); err != nil || got.DisplayName != "ben" || got.AvatarURL != "" {
		t.Errorf("of who chose nothing that can be shown: %+v %v", got, err)
	}
}

func TestDirectory_ManyWhoWantToKnowTheSameAskOnce(t *testing.T) {
	p := newPair(t, people.Rates{})
	hold := make(chan struct{})
	p.wire.set(func() { p.wire.hold = hold })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if ok, err := p.Exists(t.Context(), bob); !ok || err != nil {
				t.Errorf("%v %v", ok, err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Exists(gone, bob); !fault.Is(err, fault.Unavailable) {
		t.Errorf("who is gone: %v", err)
	}
	eventually(t, "it is asked", func() bool { return p.wire.count() > 0 })
	close(hold)
	all.Wait()
	if n := p.wire.count(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestDirectory_AServerThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	p := newPair(t, people.Rates{})
	p.wire.set(func() { p.wire.cut = true })
	for range 20 {
		_, err := p.Exists(t.Context(), bob)
		wantCode(t, "cut", err, fault.ServerUnreachable)
		if f := fault.From(err); f.RetryAfter <= 0 {
			t.Error("it does not say when to try again")
		}
	}
	if n := p.wire.count(); n != 1 {
		t.Errorf("%d questions at once", n)
	}
	before := p.wire.count()
	for range 600 { // Ten minutes.
		p.clock.add(time.Second)
		_, _ = p.Exists(t.Context(), bob)
	}
	if n := p.wire.count() - before; n < 4 || n > 20 {
		t.Errorf("%d questions within ten minutes", n)
	}
	p.wire.set(func() { p.wire.cut = false })
	p.Heard("b.test")
	if ok, err := p.Exists(t.Context(), bob); !ok || err != nil {
		t.Errorf("after a word of it: %v %v", ok, err)
	}
}

func TestDirectory_TellsWhyThereIsNoAnswer(t *testing.T) {
	p := newPair(t, people.Rates{})
	p.wire.set(func() { p.wire.refused = fault.New(fault.ServerRefused, "no") })
	_, err := p.Exists(t.Context(), bob)
	wantCode(t, "a server that refuses", err, fault.ServerRefused)
	p.wire.set(func() { p.wire.refused = fault.Retry(fault.RateLimited, 3*time.Second, "slow") })
	_, err = p.Exists(t.Context(), bob)
	wantCode(t, "too much", err, fault.RateLimited)
	n := p.wire.count()
	_, err = p.Exists(t.Context(), bob)
	wantCode(t, "until then", err, fault.ServerUnreachable)
	if p.wire.count() != n {
		t.Error("a server that asks for a pause is asked")
	}
	p.clock.add(4 * time.Second)
	p.wire.set(func() { p.wire.refused = nil })
	if ok, err := p.Exists(t.Context(), bob); !ok || err != nil {
		t.Errorf("after it: %v %v", ok, err)
	}
	alone := people.NewDirectory(people.Options{Self: "a.test"})
	if ok, err := alone.Exists(t.Context(), bob); ok || err != nil {
		t.Errorf("without federation: %v %v", ok, err)
	}
}

func TestDirectory_AnswersAboutOthersAreNotBelieved(t *testing.T) {
	p := newPair(t, people.Rates{})
	p.wire.set(func() {
		p.wire.twist = func(_ string, raw []byte) []byte {
			return bytes.ReplaceAll(raw, []byte("bob@b.test"), []byte("amy@a.test"))
		}
	})
	_, err := p.Profile(t.Context(), alice, bob)
	wantCode(t, "another user", err, fault.ServerUnreachable)
	p.Heard("b.test")
	wantCode(t, "another user invited", p.MayInvite(t.Context(), event.NewDirect(alice, bob), alice, []id.User{bob}), fault.ServerUnreachable)
	p.Heard("b.test")
	if got := p.Presence(t.Context(), []ephemeral.Pair{{Viewer: alice, User: bob}}); got[0] != (ephemeral.Far{}) {
		t.Errorf("another user's presence: %+v", got)
	}
	for _, nonsense := range []string{`{"users":[]}`, `{}`, `[]`, `{"users":[{"userId":"bob@b.test"},{"userId":"bob@b.test"}]}`, `{"presence":[]}`, `{"results":[]}`} {
		p.Heard("b.test")
		p.wire.set(func() { p.wire.twist = func(string, []byte) []byte { return []byte(nonsense) } })
		_, err := p.Profile(t.Context(), alice, bob)
		wantCode(t, nonsense, err, fault.ServerUnreachable)
		p.Heard("b.test")
		wantCode(t, nonsense, p.MayInvite(t.Context(), event.NewDirect(alice, bob), alice, []id.User{bob}), fault.ServerUnreachable)
	}
}

func group(creator id.User, members ...id.User) event.Create {
	return event.Create{Creators: []id.User{creator}, Hub: creator.Server(), Members: append([]id.User{creator}, members...), Type: event.Group}
}

func TestMayInvite_AsksEachServerOnceForAllItsUsers(t *testing.T) {
	p := newPair(t, people.Rates{})
	c := newHouse("carl@c.test")
	p.wire.serve("c.test", people.NewAnswers(people.AnswerOptions{Self: "c.test", Local: c, Now: p.clock.now}))
	create := group(alice, bob)
	if err := p.MayInvite(t.Context(), create, alice, []id.User{bob, ben, "carl@c.test"}); err != nil || p.wire.count() != 2 {
		t.Errorf("%v, %d questions", err, p.wire.count())
	}
	wantCode(t, "who does not exist", p.MayInvite(t.Context(), create, alice, []id.User{bob, ghost, "carl@c.test"}), fault.UnknownUser)
	wantCode(t, "on a server that does not", p.MayInvite(t.Context(), create, alice, []id.User{"x@nowhere.test"}), fault.UnknownUser)
	p.house.set(func() { p.house.closed[ben] = true })
	wantCode(t, "who does not want it", p.MayInvite(t.Context(), create, alice, []id.User{bob, ben}), fault.CannotAdd)
	if err := p.MayInvite(t.Context(), event.NewDirect(alice, ben), alice, []id.User{ben}); err != nil {
		t.Errorf("a direct conversation is asked for in private: %v", err)
	}
	if ok, err := p.Exists(t.Context(), ben); !ok || err != nil {
		t.Errorf("what the answer showed is known: %v %v", ok, err)
	}
	n := p.wire.count()
	if err := p.MayInvite(t.Context(), create, "carl@c.test", []id.User{ben}); err != nil || p.wire.count() != n {
		t.Errorf("the server of another's inviter asks: %v", err)
	}
	p.wire.set(func() { p.wire.cut = true })
	wantCode(t, "with a server away", p.MayInvite(t.Context(), create, alice, []id.User{bob, "carl@c.test"}), fault.ServerUnreachable)
}

func TestMayInvite_ManyUsersGoInSeveralQuestions(t *testing.T) {
	p := newPair(t, people.Rates{})
	var users []id.User
	for i := range 250 {
		u := id.User(fmt.Sprintf("u%d@b.test", i))
		p.house.profiles[u] = people.Profile{}
		users = append(users, u)
	}
	if err := p.MayInvite(t.Context(), group(alice), alice, users); err != nil || p.wire.count() != 3 {
		t.Errorf("%v, %d questions", err, p.wire.count())
	}
}

func TestPresence_IsThatOfEachViewerAndKeptForAMoment(t *testing.T) {
	p := newPair(t, people.Rates{})
	p.house.set(func() { p.house.online[bob] = true; p.house.hidden[[2]id.User{amy, bob}] = true })
	pairs := []ephemeral.Pair{{Viewer: alice, User: bob}, {Viewer: amy, User: bob}, {Viewer: alice, User: ben}, {Viewer: alice, User: ghost}, {Viewer: amy, User: "x@nowhere.test"}}
	want := []ephemeral.Far{{Online: true}, {}, {LastSeen: 60_000}, {IsUnknown: true}, {IsUnknown: true}}
	for range 2 {
		if d := cmp.Diff(want, p.Presence(t.Context(), pairs)); d != "" {
			t.Error(d)
		}
	}
	if n := p.wire.count(); n != 2 {
		t.Errorf("%d questions for all viewers", n)
	}
	p.house.set(func() { p.house.online[bob] = false })
	p.clock.add(11 * time.Second)
	if got := p.Presence(t.Context(), pairs[:1]); got[0] != (ephemeral.Far{LastSeen: 60_000}) {
		t.Errorf("later: %+v", got)
	}
	p.clock.add(11 * time.Second)
	p.wire.set(func() { p.wire.cut = true })
	if got := p.Presence(t.Context(), pairs[:1]); got[0] != (ephemeral.Far{}) {
		t.Errorf("of a server that is away: %+v", got)
	}
}

func TestPresence_OfManyGoesInFewQuestions(t *testing.T) {
	p := newPair(t, people.Rates{})
	var pairs []ephemeral.Pair
	for i := range 250 {
		pairs = append(pairs, ephemeral.Pair{Viewer: id.User(fmt.Sprintf("v%d@a.test", i%7)), User: id.User(fmt.Sprintf("u%d@b.test", i))})
		p.house.profiles[pairs[i].User] = people.Profile{}
	}
	for i, far := range p.Presence(t.Context(), pairs) {
		if far.LastSeen != 60_000 {
			t.Fatalf("%v is %+v", pairs[i], far)
		}
	}
	if n := p.wire.count(); n != 3 {
		t.Errorf("%d questions", n)
	}
}

func TestPreview_IsOfTheHub(t *testing.T) {
	p := newPair(t, people.Rates{})
	ask := replica.AskLink{ConversationID: event.ConversationID([]byte("x")), LinkID: "L", Secret: "S", UserID: alice}
	got, err := p.Preview(t.Context(), "b.test", ask)
	if err != nil || got.Name != "for alice@a.test" {
		t.Errorf("%+v %v", got, err)
	}
	p.wire.set(func() {
		p.wire.twist = func(_ string, raw []byte) []byte {
			return bytes.Replace(raw, []byte(ask.ConversationID), []byte(event.ConversationID([]byte("y"))), 1)
		}
	})
	_, err = p.Preview(t.Context(), "b.test", ask)
	wantCode(t, "of another conversation", err, fault.ServerUnreachable)
	p.Heard("b.test")
	p.wire.set(func() { p.wire.twist = nil })
	ask.Secret = "T"
	_, err = p.Preview(t.Context(), "b.test", ask)
	wantCode(t, "another secret", err, fault.LinkInvalid)
}

func TestDirectory_NobodyMakesItKnockAtManyDoors(t *testing.T) {
	p := newPair(t, people.Rates{})
	knock := func(who id.User, i int) error {
		_, err := p.Profile(t.Context(), who, id.User(fmt.Sprintf("x@s%d.test", i)))
		return err
	}
	for i := range 100 {
		wantCode(t, "a server that is none", knock(alice, i), fault.UnknownUser)
	}
	wantCode(t, "one too many", knock(alice, 100), fault.RateLimited)
	if _, err := p.Profile(t.Context(), amy, bob); err != nil {
		t.Errorf("another user: %v", err)
	}
	if _, err := p.Profile(t.Context(), alice, bob); err != nil {
		t.Errorf("a server that was met: %v", err)
	}
	var limited error
	asked := p.wire.count()
	for i := 0; i < 2000 && !fault.Is(limited, fault.RateLimited); i++ {
		limited = knock(id.User(fmt.Sprintf("u%d@a.test", i)), 1000+i)
	}
	if n := p.wire.count() - asked; n > 600 || !fault.Is(limited, fault.RateLimited) {
		t.Errorf("all together: %d questions, then %v", n, limited)
	}
	p.clock.add(2 * time.Hour)
	wantCode(t, "later", knock(alice, 100), fault.UnknownUser)
}

func TestMayInvite_FromManyServersAtOnceIsRefused(t *testing.T) {
	p := newPair(t, people.Rates{})
	var users []id.User
	for i := range 51 {
		users = append(users, id.User(fmt.Sprintf("x@s%d.test", i)))
	}
	wantCode(t, "51 servers", p.MayInvite(t.Context(), group(alice), alice, users), fault.InvalidField)
	if n := p.wire.count(); n != 0 {
		t.Errorf("%d questions", n)
	}
}
