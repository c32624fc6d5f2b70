// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

var (
	names = rapid.SampledFrom([]string{"alice", "bob", "carol", "dave", "erin@b.example", "frank", "mallory"})
	types = rapid.SampledFrom([]string{
		frame.TypeMessage, frame.TypeMessage, frame.TypeMemberAdd, frame.TypeMemberAdd, frame.TypeMemberRemove,
		frame.TypeMemberLeave, frame.TypeMemberRole, frame.TypeMemberRole, frame.TypeRename, "topic", frame.TypeCreate,
	})
	roles  = rapid.SampledFrom([]string{conversation.Owner, conversation.Admin, conversation.Simple, "king", ""})
	titles = rapid.SampledFrom([]string{"", "Team", "Équipe", "a\nb"})
)

func drawProposal(t *rapid.T, w *world) conversation.Proposal {
	p := conversation.Proposal{Type: types.Draw(t, "type"), Sender: full(names.Draw(t, "sender"))}
	switch p.Type {
	case frame.TypeCreate:
		p.Create = w.create(p.Sender, []string{"group", "with", "alice", "bob"})
	case frame.TypeMemberAdd:
		p.Change.UserIDs = fulls(rapid.SliceOfN(names, 0, 3).Draw(t, "users"))
	case frame.TypeMemberRemove, frame.TypeMemberRole:
		p.Change.UserIDs = fulls(rapid.SliceOfN(names, 1, 1).Draw(t, "user"))
	case frame.TypeRename:
		p.Change.Name = titles.Draw(t, "name")
	}
	if p.Type == frame.TypeMemberRole {
		p.Change.Role = roles.Draw(t, "role")
	}
	return p
}

// drawWorld makes a conversation with nothing but its create event.
func drawWorld(t *rapid.T) *world {
	w := newWorld("random")
	w.limits.MaxMembers = rapid.IntRange(4, 6).Draw(t, "limit")
	line := rapid.SampledFrom([]string{
		"direct with bob", "group with bob carol", `group "Team"`, "group with alice bob carol by alice bob", "channel with bob",
	}).Draw(t, "create")
	words, err := split(line)
	if err != nil {
		t.Fatal(err)
	}
	p := conversation.Proposal{Type: frame.TypeCreate, Sender: full("alice"), Create: w.create(full("alice"), words)}
	if _, err := w.propose(p); err != nil {
		t.Fatal(err)
	}
	return w
}

// clone copies a state so deeply that no change of the original shows.
func clone(s *conversation.State) *conversation.State {
	c := *s
	c.Members = maps.Clone(s.Members)
	c.Create.Members, c.Create.Creators = slices.Clone(s.Create.Members), slices.Clone(s.Create.Creators)
	return &c
}

func hashOf(t *rapid.T, s *conversation.State) event.Hash {
	h, err := s.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestApply_KeepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		invariants(t, w.state)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			old, kept := w.state, clone(w.state)
			p := drawProposal(t, w)
			e, err := w.propose(p)
			if diff := cmp.Diff(kept, old); diff != "" {
				t.Fatalf("%+v changed the state before: %s", p, diff)
			}
			if err != nil {
				if w.state != old {
					t.Fatalf("refused %+v changed the state", p)
				}
				continue
			}
			invariants(t, w.state)
			if changed := hashOf(t, w.state) != hashOf(t, kept); changed != conversation.ChangesState(e.Type) {
				t.Fatalf("%+v: state changed: %v", p, changed)
			}
		}
		refold(t, w)
	})
}

func invariants(t *rapid.T, s *conversation.State) {
	joined, owners := 0, 0
	for u, m := range s.Members {
		switch {
		case m.Membership == conversation.Joined && m.LeftSeq == -1:
			joined++
		case m.Membership == conversation.Joined || m.LeftSeq < m.JoinedSeq || m.LeftSeq > s.Seq || m.Role != conversation.Simple:
			t.Fatalf("%s is %+v at seq %d", u, m, s.Seq)
		}
		if m.Role == conversation.Owner {
			owners++
		}
	}
	if s.Joined != joined {
		t.Fatalf("Joined is %d of %d", s.Joined, joined)
	}
	if s.Type() == event.Direct {
		if joined != 2 || len(s.Members) != 2 || owners != 0 || s.Name != "" {
			t.Fatalf("a direct conversation became %s", describe(s))
		}
		return
	}
	if (owners > 0) != (joined > 0) {
		t.Fatalf("%d owners of %d members", owners, joined)
	}
}

// refold folds the log from scratch, twice, and wants what the world has.
func refold(t *rapid.T, w *world) {
	for range 2 {
		var s *conversation.State
		var err error
		for _, e := range w.log {
			if s, err = conversation.Apply(s, e); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(w.state, s); diff != "" {
			t.Fatalf("the fold differs: -step by step +from scratch\n%s", diff)
		}
		if hashOf(t, s) != hashOf(t, w.state) {
			t.Fatal("equal states have different hashes")
		}
	}
}

func TestDecide_LooksAtTheStateOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(0, 10).Draw(t, "steps") {
			_, _ = w.propose(drawProposal(t, w))
		}
		p := drawProposal(t, w)
		first := conversation.Decide(w.state, p, w.limits)
		again := conversation.Decide(clone(w.state), p, w.limits)
		if fmt.Sprint(first) != fmt.Sprint(again) {
			t.Fatalf("%+v: %v, then %v", p, first, again)
		}
	})
}

func TestVisible_IsWithinTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			_, _ = w.propose(drawProposal(t, w))
		}
		for u, m := range w.state.Members {
			from, to, ok := w.state.Visible(u, w.head.Seq)
			if !ok || from < 0 || to > w.head.Seq || from > to {
				t.Fatalf("%s reads %d..%d of 0..%d", u, from, to, w.head.Seq)
			}
			if m.Membership == conversation.Joined && to != w.head.Seq {
				t.Fatalf("%s is joined and reads to %d of %d", u, to, w.head.Seq)
			}
		}
	})
	var none *conversation.State
	if _, _, ok := none.Visible("alice@example.org", 5); ok {
		t.Error("somebody reads what does not exist")
	}
}

func TestHash_TakesStatesOfAnySize(t *testing.T) {
	w := newWorld("large")
	p := conversation.Proposal{Type: frame.TypeCreate, Sender: full("u0000"), Create: event.Create{
		Creators: []id.User{full("u0000")}, Hub: "example.org", Type: event.Group,
	}}
	for i := range event.MaxMembers {
		p.Create.Members = append(p.Create.Members, full(fmt.Sprintf("u%04d", i)))
	}
	if _, err := w.propose(p); err != nil {
		t.Fatal(err)
	}
	before, err := w.state.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.propose(conversation.Proposal{Type: frame.TypeMemberLeave, Sender: full("u1023")}); err != nil {
		t.Fatal(err)
	}
	if after, err := w.state.Hash(); err != nil || after == before {
		t.Errorf("got %x, %v", after, err)
	}
}
