// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// comparable leaves out of a State what it only remembers.
var comparable = cmpopts.IgnoreUnexported(conversation.State{})

var (
	names = rapid.SampledFrom([]string{"alice", "bob", "carol", "dave", "erin@b.example", "frank", "mallory"})
	types = rapid.SampledFrom([]string{
		frame.TypeMessage, frame.TypeMessage, frame.TypeMemberAdd, frame.TypeMemberAdd, frame.TypeMemberRemove,
		frame.TypeMemberLeave, frame.TypeMemberRole, frame.TypeMemberRole, frame.TypeRename, "topic", frame.TypeCreate,
		frame.TypeSettings, frame.TypeSettings, frame.TypeMemberBan, frame.TypeMemberUnban, frame.TypeOwnerTransfer,
		frame.TypeMemberJoin, frame.TypeJoinRequest, frame.TypeJoinDecline, frame.TypeLinkCreate, frame.TypeLinkRevoke,
		frame.TypePin, frame.TypeUnpin, frame.TypeEdit, frame.TypeReaction, frame.TypeReaction, frame.TypeDelete,
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
	case frame.TypeMemberRemove, frame.TypeMemberRole, frame.TypeMemberBan, frame.TypeMemberUnban, frame.TypeOwnerTransfer, frame.TypeJoinDecline:
		p.Change.UserIDs = fulls(rapid.SliceOfN(names, 1, 1).Draw(t, "user"))
	case frame.TypeRename:
		p.Change.Name = titles.Draw(t, "name")
	}
	if p.Type == frame.TypeMemberRole {
		p.Change.Role = roles.Draw(t, "role")
	}
	drawGovern(t, w, &p)
	drawRelation(t, w, &p)
	return p
}

var (
	linkNames  = rapid.SampledFrom([]string{"K", "L", "M"})
	numbers    = rapid.SampledFrom([]int64{0, 1, 2, 10, 86400, 21601, -1})
	visibility = rapid.SampledFrom([]string{"", "joined", "shared", "shared", "world"})
	grants     = rapid.MapOfN(rapid.SampledFrom([]string{"send", "invite", "ban", "pin", "manageLinks", "fly"}), roles, 0, 2)
)

// drawGovern completes proposals about settings, links and pins.
func drawGovern(t *rapid.T, w *world, p *conversation.Proposal) {
	name := linkNames.Draw(t, "link")
	p.SecretHash = w.secretHash(rapid.SampledFrom([]string{name, name, name, "X"}).Draw(t, "secret"))
	switch p.Type {
	case frame.TypeSettings:
		timer, slow, text := numbers.Draw(t, "timer"), numbers.Draw(t, "slow"), titles.Draw(t, "description")
		p.Change.HistoryVisibility, p.Change.Permissions = visibility.Draw(t, "visibility"), grants.Draw(t, "grants")
		if len(p.Change.Permissions) == 0 {
			p.Change.Permissions = nil
		}
		if rapid.Bool().Draw(t, "more") {
			p.Change.EphemeralTimer, p.Change.SlowMode, p.Change.Description = &timer, &slow, &text
		}
	case frame.TypeLinkCreate:
		p.Change.LinkID, p.Change.SecretHash = w.linkID(name), w.secretHash(name)
		p.Change.MaxUses = max(0, numbers.Draw(t, "uses"))
		p.Change.NeedsApproval = rapid.Bool().Draw(t, "approval")
	case frame.TypeLinkRevoke, frame.TypeMemberJoin, frame.TypeJoinRequest:
		p.Change.LinkID = w.linkID(name)
	case frame.TypePin, frame.TypeUnpin:
		_ = w.target(p, []string{fmt.Sprint(rapid.IntRange(0, len(w.log)-1).Draw(t, "target"))})
	}
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
	c.Info.Permissions = maps.Clone(s.Info.Permissions)
	c.Info.Pins, c.Info.Links = slices.Clone(s.Info.Pins), slices.Clone(s.Info.Links)
	c.Info.Requests, c.Info.Bans = slices.Clone(s.Info.Requests), slices.Clone(s.Info.Bans)
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
			if diff := cmp.Diff(kept, old, comparable); diff != "" {
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
		case m.FromSeq > m.JoinedSeq:
			t.Fatalf("%s joined at %d and reads from %d", u, m.JoinedSeq, m.FromSeq)
		case m.Membership == conversation.Joined || m.LeftSeq < m.JoinedSeq || m.LeftSeq > s.Seq || m.Role != conversation.Simple:
			t.Fatalf("%s is %+v at seq %d", u, m, s.Seq)
		}
		if m.Role == conversation.Owner {
			owners++
		}
	}
	for _, b := range s.Info.Bans {
		if s.Members[b.UserID].Membership == conversation.Joined || s.Info.Requested(b.UserID) {
			t.Fatalf("%s is banned and here: %s", b.UserID, describe(s))
		}
	}
	for _, r := range s.Info.Requests {
		if s.Members[r.UserID].Membership == conversation.Joined {
			t.Fatalf("%s is a member and asks to be one", r.UserID)
		}
	}
	back, err := canonicalAgain(s.Info)
	if diff := cmp.Diff(s.Info, back); err != nil || diff != "" {
		t.Fatalf("the info is read back as another: %v\n%s", err, diff)
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

func canonicalAgain(i conversation.Info) (conversation.Info, error) {
	raw, err := i.Canonical()
	if err != nil {
		return i, err
	}
	return conversation.ParseInfo(raw)
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
		if diff := cmp.Diff(w.state, s, comparable); diff != "" {
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
