// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"slices"
	"strings"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/internal/federationtest"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// word is an acceptance by a server.
func word(t testing.TB, by *federationtest.Server, w event.Acceptance) *frame.Acceptance {
	t.Helper()
	w.Hub = by.Name
	sig, err := w.Sign(by.KeyID, by.Private)
	if err != nil {
		t.Fatal(err)
	}
	return &frame.Acceptance{KeyID: sig.KeyID, Signature: canonical.EncodeBase64(sig.Bytes)}
}

// moved has the hub hand over to c after some messages, and returns the seq.
func (r *room) moved(t testing.TB) int64 {
	t.Helper()
	r.say(t, alice, "1")
	r.say(t, carol, "2")
	w := word(t, r.Servers[c], event.Acceptance{ConversationID: r.conv, Term: 1})
	return r.change(t, frame.TypeHubTransfer, frame.Change{Hub: string(c), Acceptance: w})
}

func TestTake_TheHubHandsOver(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	end := r.moved(t)
	seq, err := r.giveRange(t, 1, end)
	want(t, "the last entries of the term", seq, err, end, "")
	v, err := r.here.View(t.Context(), r.conv)
	if err != nil || v.State.Hub() != c || v.State.Term() != 1 {
		t.Fatalf("the hub is %s in term %d, %v", v.State.Hub(), v.State.Term(), err)
	}
	kept, err := r.shelf.Handover(t.Context(), r.conv, 0)
	if err != nil || !strings.Contains(string(kept), string(a)) {
		t.Errorf("kept of the end of the term: %s, %v", kept, err)
	}
	seq, err = r.giveRange(t, 1, end)
	want(t, "the same again", seq, err, end, "")

	late := r.hub.Range(t, r.conv, 1, 1)
	late.Records[0].Entry.Prev, late.Records[0].Entry.Seq = event.Hash{1}, end+1
	federationtest.Reseal(t, late.Records)
	r.hub.SignRange(t, &late)
	seq, err = r.give(t, a, wire.Item{Range: &late})
	want(t, "an entry after the end of the term", seq, err, -1, fault.UnknownConversation)
	if r.head(t) != end {
		t.Errorf("the replica is at %d", r.head(t))
	}
}

func TestTake_NobodyIsMadeTheHubUnasked(t *testing.T) {
	for name, forge := range map[string]func(t *testing.T, r *room) *frame.Acceptance{
		"signed by the hub before": func(t *testing.T, r *room) *frame.Acceptance {
			w, err := event.Acceptance{ConversationID: r.conv, Hub: c, Term: 1}.Sign(r.hub.KeyID, r.hub.Private)
			if err != nil {
				t.Fatal(err)
			}
			return &frame.Acceptance{KeyID: r.Servers[c].KeyID, Signature: canonical.EncodeBase64(w.Bytes)}
		},
		"for another term": func(t *testing.T, r *room) *frame.Acceptance {
			return word(t, r.Servers[c], event.Acceptance{ConversationID: r.conv, Term: 2})
		},
		"for another conversation": func(t *testing.T, r *room) *frame.Acceptance {
			return word(t, r.Servers[c], event.Acceptance{ConversationID: id.NewConversation([32]byte{7}), Term: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.begin(t)
			end := r.change(t, frame.TypeHubTransfer, frame.Change{Hub: string(c), Acceptance: forge(t, r)})
			seq, err := r.giveRange(t, 1, end)
			want(t, name, seq, err, 0, fault.EntryRefused)
		})
	}
}

func TestTake_TheEndOfATermIsBroughtByOthers(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	end := r.moved(t)
	whole := func() wire.Range { return r.hub.Range(t, r.conv, 1, end) }
	rng := whole()
	seq, err := r.give(t, m, wire.Item{Range: &rng})
	want(t, "by a stranger", seq, err, -1, fault.UnknownConversation)
	rng = r.hub.Range(t, r.conv, 1, end-1)
	seq, err = r.give(t, c, wire.Item{Range: &rng})
	want(t, "not the end", seq, err, -1, fault.UnknownConversation)
	rng = whole()
	r.Servers[c].SignRange(t, &rng)
	seq, err = r.give(t, c, wire.Item{Range: &rng})
	want(t, "signed by who brings it", seq, err, -1, fault.UnknownConversation)
	rng = whole()
	rng.Checkpoint.Signatures[0].Bytes = r.Servers[c].Checkpoint(t, rng.Records[len(rng.Records)-1].Entry).Signatures[0].Bytes
	seq, err = r.give(t, c, wire.Item{Range: &rng})
	want(t, "signed by another", seq, err, 0, fault.EntryRefused)
	rng = whole()
	seq, err = r.give(t, c, wire.Item{Range: &rng})
	want(t, "by the next hub", seq, err, end, "")
}

func TestTake_ASnapshotShowsTheMoves(t *testing.T) {
	for _, one := range []struct {
		name string
		tell func(t *testing.T, r *room, s *wire.Snapshot)
		code fault.Code
	}{
		{name: "all of it"},
		{name: "no move", code: fault.EntryRefused, tell: func(_ *testing.T, _ *room, s *wire.Snapshot) { s.Moves = nil }},
		{name: "a move twice", code: fault.EntryRefused, tell: func(_ *testing.T, _ *room, s *wire.Snapshot) {
			s.Moves = append(s.Moves, s.Moves[0])
		}},
		{name: "a move that the next hub signs", code: fault.EntryRefused, tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.Moves[0].Checkpoint = *r.Servers[c].Checkpoint(t, s.Moves[0].Record.Entry)
		}},
		{name: "a move without the word of the next hub", code: fault.EntryRefused, tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			rec := &s.Moves[0].Record
			forged := word(t, r.hub, event.Acceptance{ConversationID: r.conv, Term: 1})
			forged.KeyID = r.Servers[c].KeyID
			raw, err := event.ChangeContent(frame.Change{Hub: string(c), Acceptance: forged})
			if err != nil {
				t.Fatal(err)
			}
			rec.Content = raw
			list := []wire.Record{*rec}
			federationtest.Reseal(t, list)
			s.Moves[0] = wire.Moved{Record: list[0], Checkpoint: *r.hub.Checkpoint(t, list[0].Entry)}
		}},
		{name: "another entry of the hub before", code: fault.EntryRefused, tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			rng := r.hub.Range(t, r.conv, 1, 1)
			s.Moves[0] = wire.Moved{Record: rng.Records[0], Checkpoint: *rng.Checkpoint}
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			r := newRoom(t)
			end := r.moved(t)
			s := r.hub.Snapshot(t, r.conv, end)
			s.Moves = []wire.Moved{{Record: s.Record, Checkpoint: s.Checkpoint}}
			if one.tell != nil {
				one.tell(t, r, &s)
			}
			seq, err := r.give(t, c, wire.Item{Snapshot: &s})
			if one.code != "" {
				want(t, one.name, seq, err, -1, one.code)
				return
			}
			want(t, one.name, seq, err, end, "")
			v, err := r.here.View(t.Context(), r.conv)
			if err != nil || !slices.Equal(v.State.Info.Moves, []conversation.Move{{Hub: c, Seq: end}}) {
				t.Errorf("the moves are %v, %v", v.State.Info.Moves, err)
			}
		})
	}
}

func TestTake_WhoIsNotTheHubYetHasToWait(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	end := r.moved(t)
	point := event.Checkpoint{ConversationID: r.conv, Hub: c, Seq: end + 1, Term: 1, Time: r.now().UnixMilli(), Hash: event.Hash{1}}
	head := &wire.Checkpoint{Checkpoint: point}
	r.Servers[c].SignHead(t, head)
	seq, err := r.give(t, c, wire.Item{Head: head})
	want(t, "a head of the next term", seq, err, 0, fault.EntriesMissing)
	if v, err := r.here.View(t.Context(), r.conv); err != nil || v.State.Hub() != a {
		t.Errorf("the hub is %s, %v", v.State.Hub(), err)
	}
}
