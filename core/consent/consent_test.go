// SPDX-License-Identifier: Apache-2.0

package consent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/consent"
	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const (
	alice = id.User("alice@a.test")
	amy   = id.User("amy@a.test")
	bob   = id.User("bob@b.test")
)

// shelf keeps the persons that were put into it.
type shelf struct {
	account.DataStore
	persons map[id.User]*account.Person
	err     error
}

func (s *shelf) FindPersons(_ context.Context, users []id.User) (map[id.User]*account.Person, error) {
	out := map[id.User]*account.Person{}
	for _, u := range users {
		if p := s.persons[u]; p != nil {
			out[u] = p
		}
	}
	return out, s.err
}

type contacts map[[2]id.User]bool

func (c contacts) Contact(_ context.Context, of, other id.User) (bool, error) {
	return c[[2]id.User{of, other}], nil
}

type users map[id.User]bool

func (u users) Exists(_ context.Context, one id.User) (bool, error) { return u[one], nil }

// wants makes a person.
func wants(message, add account.Audience, blocked ...id.User) *account.Person {
	p := &account.Person{Settings: account.Defaults(), Blocked: map[id.User]struct{}{}}
	p.Settings.WhoMayMessage, p.Settings.WhoMayAdd = message, add
	for _, u := range blocked {
		p.Blocked[u] = struct{}{}
	}
	return p
}

func rules(persons map[id.User]*account.Person, known contacts) (consent.Rules, *shelf) {
	s := &shelf{persons: persons}
	return consent.Rules{Self: "a.test", People: account.NewPeople(s, known, nil, nil), Users: users{alice: true, amy: true}}, s
}

// state is that of a conversation as it was made.
func state(c event.Create) *conversation.State {
	raw, err := c.Canonical()
	if err != nil {
		panic(err)
	}
	return &conversation.State{ID: event.ConversationID(raw), Create: c}
}

// told says how a conversation begins.
func told(p *timeline.Prefs) string {
	switch {
	case p == nil:
		return "nothing"
	case p.Blocked:
		return "blocked " + p.Consent
	case p.Consent != "":
		return p.Consent
	case p.Silent:
		return "silent"
	}
	return "as usual"
}

func TestJoins_ADirectConversationBeginsAsItDoesBetweenLocalUsers(t *testing.T) {
	for name, c := range map[string]struct {
		person *account.Person
		known  bool
		by     id.User
		want   string
	}{
		"who never chose":               {nil, false, bob, "silent"},
		"everyone":                      {wants(account.Everyone, account.Everyone), false, bob, "silent"},
		"contacts, by a stranger":       {wants(account.OnlyContacts, account.Everyone), false, bob, timeline.Requested},
		"contacts, by a contact":        {wants(account.OnlyContacts, account.Everyone), true, bob, "silent"},
		"nobody, by a stranger":         {wants(account.Nobody, account.Everyone), false, bob, timeline.Declined},
		"by who is blocked":             {wants(account.Everyone, account.Everyone, bob), false, bob, "blocked "},
		"by a blocked stranger":         {wants(account.OnlyContacts, account.Everyone, bob), false, bob, "blocked " + timeline.Requested},
		"made by himself":               {wants(account.Nobody, account.Everyone), false, alice, "nothing"},
		"made with somebody he blocks":  {wants(account.Nobody, account.Everyone, bob), false, alice, "blocked "},
		"named by somebody else's hand": {wants(account.OnlyContacts, account.Everyone), false, "eve@c.test", timeline.Requested},
	} {
		persons := map[id.User]*account.Person{}
		if c.person != nil {
			persons[alice] = c.person
		}
		r, _ := rules(persons, contacts{{alice, bob}: c.known})
		p, err := r.Joins(t.Context(), state(event.NewDirect(alice, bob)), alice, c.by)
		if got := told(p); got != c.want || err != nil {
			t.Errorf("%s: %s (%v), want %s", name, got, err, c.want)
		}
	}
}

func TestJoins_WhoMayNotAddIsRefused(t *testing.T) {
	create := event.Create{Creators: []id.User{bob}, Hub: "b.test", Members: []id.User{alice, bob}, Type: event.Group}
	for name, c := range map[string]struct {
		person *account.Person
		u, by  id.User
		want   fault.Code
	}{
		"everyone":                     {wants(account.Everyone, account.Everyone), alice, bob, ""},
		"contacts":                     {wants(account.Everyone, account.OnlyContacts), alice, bob, fault.CannotAdd},
		"nobody":                       {wants(account.Everyone, account.Nobody), alice, bob, fault.CannotAdd},
		"by who is blocked":            {wants(account.Everyone, account.Everyone, bob), alice, bob, fault.CannotAdd},
		"by himself":                   {wants(account.Everyone, account.Nobody), alice, alice, ""},
		"somebody who does not exist":  {nil, "ghost@a.test", bob, fault.UnknownUser},
		"a user of another server too": {nil, "carl@c.test", bob, fault.UnknownUser},
	} {
		r, _ := rules(map[id.User]*account.Person{alice: c.person}, nil)
		p, err := r.Joins(t.Context(), state(create), c.u, c.by)
		if p != nil || c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v %v, want %s", name, p, err, c.want)
		}
	}
}

func TestJoins_WhoAskedIsNotAskedAgain(t *testing.T) {
	create := event.Create{Creators: []id.User{bob}, Hub: "b.test", Members: []id.User{bob}, Type: event.Group}
	now := time.UnixMilli(0)
	r, _ := rules(map[id.User]*account.Person{alice: wants(account.Everyone, account.Nobody)}, nil)
	r.Asked = consent.NewAsked(func() time.Time { return now })
	s := state(create)
	joins := func(want fault.Code) {
		t.Helper()
		if _, err := r.Joins(t.Context(), s, alice, bob); want == "" && err != nil || want != "" && !fault.Is(err, want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	joins(fault.CannotAdd)
	s.Info.Requests = []conversation.Request{{UserID: alice}}
	joins("")
	s.Info.Requests = nil
	r.Asked.Note(s.ID, alice)
	r.Asked.Note(event.ConversationID(nil), amy)
	joins("")
	joins(fault.CannotAdd) // Once.
	r.Asked.Note(s.ID, alice)
	now = now.Add(31 * 24 * time.Hour)
	joins(fault.CannotAdd)
	for i := range 50_000 {
		r.Asked.Note(s.ID, id.User(fmt.Sprintf("u%d@a.test", i)))
	}
	r.Asked.Note(s.ID, alice)
	joins("")
}

func TestAdmit_UsersOfThisServerAreMadeMembersByTheirOwnRules(t *testing.T) {
	persons := map[id.User]*account.Person{alice: wants(account.OnlyContacts, account.Nobody), amy: wants(account.Everyone, account.Everyone)}
	group := event.Create{Creators: []id.User{bob}, Hub: "a.test", Members: []id.User{bob}, Type: event.Group}
	add := func(users ...string) timeline.Command {
		return timeline.Command{Proposal: conversation.Proposal{Type: frame.TypeMemberAdd, Sender: bob, Change: frame.Change{UserIDs: users}}}
	}
	create := func(c event.Create) timeline.Command {
		return timeline.Command{Proposal: conversation.Proposal{Type: frame.TypeCreate, Sender: bob, Create: c}}
	}
	with := func(u id.User) event.Create {
		c := group
		c.Members = []id.User{u, bob}
		return c
	}
	asked := state(group)
	asked.Info.Requests = []conversation.Request{{UserID: alice}}
	for name, c := range map[string]struct {
		state *conversation.State
		cmd   timeline.Command
		want  fault.Code
	}{
		"who lets everybody":                   {state(group), add(string(amy)), ""},
		"who lets nobody":                      {state(group), add(string(amy), string(alice)), fault.CannotAdd},
		"who asked":                            {asked, add(string(alice)), ""},
		"who does not exist":                   {state(group), add("ghost@a.test"), fault.UnknownUser},
		"who is of another server":             {state(group), add("carl@c.test"), ""},
		"a group with who lets everybody":      {nil, create(with(amy)), ""},
		"a group with who lets nobody":         {nil, create(with(alice)), fault.CannotAdd},
		"a group with who does not exist":      {nil, create(with("ghost@a.test")), fault.UnknownUser},
		"a direct one with who does not exist": {nil, create(event.NewDirect("ghost@a.test", bob)), fault.UnknownUser},
		"something else":                       {state(group), timeline.Command{Proposal: conversation.Proposal{Type: frame.TypeMessage, Sender: bob}}, ""},
	} {
		r, _ := rules(persons, nil)
		if err := r.Admit(t.Context(), c.state, &c.cmd); c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if c.cmd.Prefs != nil {
			t.Errorf("%s: there are prefs", name)
		}
	}
	r, _ := rules(persons, nil)
	direct := create(event.NewDirect(alice, bob))
	if err := r.Admit(t.Context(), nil, &direct); err != nil || told(direct.Prefs[alice]) != timeline.Requested || direct.Prefs[bob] != nil || !direct.Still() {
		t.Errorf("a direct one: %v, %v", err, direct.Prefs)
	}
}

func TestDirect_OnlyUsersOfThisServerHavePrefs(t *testing.T) {
	r, _ := rules(map[id.User]*account.Person{alice: wants(account.OnlyContacts, account.Everyone, bob), bob: wants(account.Nobody, account.Nobody, alice)}, nil)
	for _, c := range []struct {
		maker, peer id.User
		want        map[id.User]string
	}{
		{alice, bob, map[id.User]string{alice: "blocked ", bob: "nothing"}},
		{bob, alice, map[id.User]string{alice: "blocked " + timeline.Requested, bob: "nothing"}},
		{amy, alice, map[id.User]string{alice: timeline.Requested, amy: "nothing"}},
		{alice, amy, map[id.User]string{alice: "nothing", amy: "silent"}},
	} {
		prefs, still, err := r.Direct(t.Context(), c.maker, c.peer)
		if err != nil || !still() {
			t.Errorf("%s with %s: %v", c.maker, c.peer, err)
		}
		for u, want := range c.want {
			if got := told(prefs[u]); got != want {
				t.Errorf("%s with %s: to %s it is %s, want %s", c.maker, c.peer, u, got, want)
			}
		}
	}
}

func TestRules_ADatabaseThatIsAwayIsAnError(t *testing.T) {
	r, s := rules(nil, nil)
	s.err = errors.New("away")
	if _, _, err := r.Direct(t.Context(), alice, amy); !errors.Is(err, s.err) {
		t.Errorf("direct: %v", err)
	}
	if err := r.MayAdd(t.Context(), bob, []id.User{alice}); !errors.Is(err, s.err) {
		t.Errorf("adding: %v", err)
	}
	if _, err := r.Joins(t.Context(), state(event.NewDirect(alice, bob)), alice, bob); !errors.Is(err, s.err) {
		t.Errorf("joining: %v", err)
	}
}
