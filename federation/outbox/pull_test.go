// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// pulled asks for entries and reads the answer as it crosses the wire.
func (w *world) pulled(origin id.Server, ask replica.Entries) replica.Range {
	w.t.Helper()
	rng, err := w.out.Entries(w.t.Context(), origin, ask)
	if err != nil {
		w.t.Fatal(err)
	}
	raw := must(json.Marshal(rng))
	var got replica.Range
	if err := replica.Decode(raw, &got); err != nil {
		w.t.Fatal(err)
	}
	for i, r := range got.Records[min(1, len(got.Records)):] {
		if r.Entry.Prev != must(got.Records[i].Entry.Hash(nil)) {
			w.t.Errorf("the chain is broken before %d", r.Entry.Seq)
		}
	}
	return got
}

// spell tells which entries there are: with content, or without in brackets.
func spell(r replica.Range) (from, to int64, bare int) {
	if len(r.Records) == 0 {
		return -1, -1, 0
	}
	for _, rec := range r.Records {
		if rec.Content == nil {
			bare++
		}
	}
	return r.Records[0].Entry.Seq, r.Records[len(r.Records)-1].Entry.Seq, bare
}

// checkPull asks for entries and compares which come.
func (w *world) checkPull(origin id.Server, ask replica.Entries, from, to int64, bare int) {
	w.t.Helper()
	got := w.pulled(origin, ask)
	if f, l, n := spell(got); f != from || l != to || n != bare {
		w.t.Errorf("%s got %d to %d, %d without content; want %d to %d, %d", origin, f, l, n, from, to, bare)
	}
	if want := ask.AfterSeq != nil && from >= 0; (got.Checkpoint != nil) != want {
		w.t.Errorf("there is a checkpoint: %t", !want)
	}
}

func TestEntries_OfWhomAMemberMayRead(t *testing.T) {
	run(t, func(w *world) {
		room := w.open("bob@b.test")
		w.say(room, 99)
		joined := w.change(room, frame.TypeMemberAdd, alice, "carl@c.test") // 100
		w.say(room, 20)
		left := w.change(room, frame.TypeMemberLeave, "carl@c.test") // 121
		w.say(room, 20)
		after := func(n int64) replica.Entries { return replica.Entries{ConversationID: room.ref.ID, AfterSeq: &n} }
		before := func(n int64, limit int) replica.Entries {
			return replica.Entries{ConversationID: room.ref.ID, BeforeSeq: &n, Limit: limit}
		}
		w.checkPull("b.test", after(0), 1, 50, 0)
		w.checkPull("b.test", after(120), 121, 141, 0)
		w.checkPull("b.test", after(141), -1, -1, 0)
		w.checkPull("b.test", after(1000), -1, -1, 0)
		w.checkPull("b.test", before(100, 0), 50, 99, 0)
		w.checkPull("b.test", before(3, 0), 0, 2, 0)
		w.checkPull("b.test", before(100, 3), 97, 99, 0)
		w.checkPull("c.test", after(joined.Seq), joined.Seq+1, left.Seq, 0)
		w.checkPull("c.test", after(left.Seq), -1, -1, 0)
		w.checkPull("c.test", after(3), -1, -1, 0)
		w.checkPull("c.test", before(1000, 0), joined.Seq, left.Seq, 0)
		w.checkPull("c.test", before(joined.Seq, 0), -1, -1, 0)
	})
}

func TestEntries_WhatNobodyThereMayReadIsHandedOnBare(t *testing.T) {
	run(t, func(w *world) {
		room := w.open("carl@c.test")
		w.say(room, 2) // 1, 2
		w.change(room, frame.TypeMemberAdd, alice, "bob@b.test")
		w.say(room, 1) // 4
		w.change(room, frame.TypeMemberLeave, "bob@b.test")
		w.say(room, 3)                                            // 6 to 8, in a hole
		w.change(room, frame.TypeMemberAdd, alice, "bill@b.test") // 9
		old := room.log[1].MessageID.String()
		edit := must(event.Relation{TargetMessageID: old, Content: "edited", ContentType: "text"}.Canonical())
		w.tell(room, w.append(room, frame.TypeEdit, alice, edit)) // 10: of a message from before
		w.say(room, 1)
		n := int64(12)
		ask := replica.Entries{ConversationID: room.ref.ID, BeforeSeq: &n}
		w.checkPull("b.test", ask, 3, 11, 4)
		w.checkPull("c.test", ask, 0, 11, 0)
		n = 8
		w.checkPull("b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &n}, 9, 11, 1)
		b := w.remote("b.test")
		w.tell(room, room.log[11].Event)
		w.wantAt(b, room, 11)
		if b.have[room.ref.ID].bare != 1 {
			t.Errorf("%d entries came without content", b.have[room.ref.ID].bare)
		}
	})
}

func TestEntries_AnAnswerFitsIntoABody(t *testing.T) {
	run(t, func(w *world) {
		room := w.open("bob@b.test")
		for range 40 {
			w.append(room, frame.TypeMessage, alice, message(strings.Repeat("\"", 30_000)))
		}
		n := int64(0)
		got := w.pulled("b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &n})
		if first, last, _ := spell(got); first != 1 || last < 3 || last > 20 {
			t.Errorf("forwards: %d to %d", first, last)
		}
		n = 41
		got = w.pulled("b.test", replica.Entries{ConversationID: room.ref.ID, BeforeSeq: &n})
		if first, last, _ := spell(got); last != 40 || first > 38 || first < 20 {
			t.Errorf("backwards: %d to %d", first, last)
		}
	})
}

func TestEntries_OthersLearnNothing(t *testing.T) {
	run(t, func(w *world) {
		room := w.open("bob@b.test")
		zero, minus := int64(0), int64(-1)
		for name, c := range map[string]struct {
			origin id.Server
			ask    replica.Entries
			want   fault.Code
		}{
			"a stranger":                {"x.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero}, fault.UnknownConversation},
			"a name that only ends so":  {"xb.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero}, fault.UnknownConversation},
			"this server":               {self, replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero}, fault.UnknownConversation},
			"no such conversation":      {"b.test", replica.Entries{ConversationID: id.NewConversation([32]byte{1}), AfterSeq: &zero}, fault.UnknownConversation},
			"no conversation id":        {"b.test", replica.Entries{ConversationID: "c", AfterSeq: &zero}, fault.InvalidField},
			"neither after nor before":  {"b.test", replica.Entries{ConversationID: room.ref.ID}, fault.InvalidField},
			"both":                      {"b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero, BeforeSeq: &zero}, fault.InvalidField},
			"after -1":                  {"b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &minus}, fault.InvalidField},
			"a limit that is too large": {"b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero, Limit: 51}, fault.InvalidField},
			"a limit below zero":        {"b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero, Limit: -1}, fault.InvalidField},
		} {
			if _, err := w.out.Entries(t.Context(), c.origin, c.ask); !fault.Is(err, c.want) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		if _, err := w.out.Snapshot(t.Context(), "x.test", room.ref.ID); !fault.Is(err, fault.UnknownConversation) {
			t.Errorf("snapshot for a stranger: %v", err)
		}
		w.change(room, frame.TypeMemberLeave, "bob@b.test")
		if _, err := w.out.Snapshot(t.Context(), "b.test", room.ref.ID); !fault.Is(err, fault.NotMember) {
			t.Errorf("snapshot for who left: %v", err)
		}
		w.convs[room.ref.ID].states[room.shown-1].Info.Moves = []conversation.Move{{Hub: "c.test", Seq: 1}}
		after := int64(1)
		if _, err := w.out.Entries(t.Context(), "b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &after}); !fault.Is(err, fault.UnknownConversation) {
			t.Errorf("of another hub: %v", err)
		}
		own, err := w.out.Entries(t.Context(), "b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &zero})
		if err != nil || len(own.Records) != 1 || own.Checkpoint == nil || own.Checkpoint.Term != 0 || own.Checkpoint.Seq != 1 {
			t.Errorf("of the own term: %+v, %v", own, err)
		}
		if _, err := w.out.Snapshot(t.Context(), "b.test", room.ref.ID); !fault.Is(err, fault.UnknownConversation) {
			t.Errorf("a snapshot of another hub: %v", err)
		}
	})
}

func TestSnapshot_IsTheNewestChangeOfTheState(t *testing.T) {
	run(t, func(w *world) {
		room := w.open("bob@b.test")
		w.say(room, 5)
		change := w.change(room, frame.TypeMemberAdd, alice, "carl@c.test")
		w.say(room, 5)
		snap, err := w.out.Snapshot(t.Context(), "b.test", room.ref.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got replica.Snapshot
		if err := replica.Decode(must(json.Marshal(snap)), &got); err != nil {
			t.Fatal(err)
		}
		state := room.states[change.Seq]
		if got.Record.Entry.Seq != change.Seq || got.State != string(must(state.Canonical())) || *got.Record.Entry.StateHash != must(state.Hash()) {
			t.Errorf("a snapshot at %d", got.Record.Entry.Seq)
		}
		if len(got.JoinedAt) != 3 || got.JoinedAt["carl@c.test"] != change.HubTime {
			t.Errorf("joined at %v", got.JoinedAt)
		}
		w.remote("b.test").signed(got.Checkpoint)
	})
}

func TestRecords_OfALogFromBeforeStateHashesWereKept(t *testing.T) {
	run(t, func(w *world) {
		room := w.open("bob@b.test")
		w.say(room, 600)
		w.change(room, frame.TypeMemberAdd, alice, "carl@c.test")
		w.say(room, 3)
		w.change(room, frame.TypeMemberAdd, alice, "dora@c.test") // 605
		w.mu.Lock()
		for i := range room.log[:605] {
			room.log[i].StateHash = nil
		}
		w.mu.Unlock()
		n := int64(599)
		w.checkPull("b.test", replica.Entries{ConversationID: room.ref.ID, AfterSeq: &n}, 600, 605, 0)
		n = 10
		w.checkPull("b.test", replica.Entries{ConversationID: room.ref.ID, BeforeSeq: &n}, 0, 9, 0)
	})
}
