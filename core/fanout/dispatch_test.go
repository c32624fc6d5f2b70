// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func expect(t *testing.T, h *heard, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.words()); diff != "" {
		t.Errorf("%s: %s", h.id, diff)
	}
}

func TestDispatch_EveryJoinedMemberGetsTheEventAndNobodyElse(t *testing.T) {
	f := New(Options{})
	alice, bob, carol := register(f, "alice@a"), register(f, "bob@a"), register(f, "carol@a")
	phone := &heard{id: "phone", user: "bob@a", device: "D2"}
	f.Register(phone)
	r, create := newRoom(t, "alice@a", "bob@a")
	now(f, create, r.message("alice@a"))
	expect(t, alice, "1", "2")
	expect(t, bob, "1", "2")
	expect(t, phone, "1", "2")
	expect(t, carol)
}

func TestDispatch_ARemovedMemberGetsTheRemovalAndNothingAfter(t *testing.T) {
	f := New(Options{})
	alice, bob := register(f, "alice@a"), register(f, "bob@a")
	r, create := newRoom(t, "alice@a", "bob@a")
	now(f, create, r.change(frame.TypeMemberRemove, "alice@a", frame.Change{UserIDs: []string{"bob@a"}}), r.message("alice@a"))
	expect(t, alice, "1", "2", "3")
	expect(t, bob, "1", "2")
}

func TestDispatch_AMemberWhoLeavesGetsTheEntryAndNothingAfter(t *testing.T) {
	f := New(Options{})
	bob := register(f, "bob@a")
	r, create := newRoom(t, "alice@a", "bob@a")
	now(f, create, r.change(frame.TypeMemberLeave, "bob@a", frame.Change{}), r.message("alice@a"))
	expect(t, bob, "1", "2")
}

func TestDispatch_AnAddedMemberGetsTheAdditionAndWhatFollows(t *testing.T) {
	f := New(Options{})
	carol := register(f, "carol@a")
	r, create := newRoom(t, "alice@a", "bob@a")
	now(f, create, r.message("alice@a"),
		r.change(frame.TypeMemberAdd, "alice@a", frame.Change{UserIDs: []string{"carol@a"}}), r.message("alice@a"))
	expect(t, carol, "3", "4")
}

func TestDispatch_TheOriginGetsNoNoteButOtherSessionsOfTheSenderDo(t *testing.T) {
	f := New(Options{})
	alice := register(f, "alice@a")
	phone := &heard{id: "phone", user: "alice@a", device: "D2"}
	f.Register(phone)
	r, create := newRoom(t, "alice@a", "bob@a")
	m := r.message("alice@a")
	m.Origin = alice.id
	now(f, create, m)
	expect(t, alice, "1")
	expect(t, phone, "1", "2")
}

func TestDispatch_AnEventIsEncodedOnceForAllAndNotAtAllForNobody(t *testing.T) {
	f := New(Options{Bus: &outbox{}, Self: "a", Placement: byName{}})
	r, create := newRoom(t, "alice@a", "bob@a", "carol@none")
	now(f, create)
	if n := f.Stats().Encoded; n != 0 {
		t.Fatalf("encoded %d times for nobody", n)
	}
	alice, bob := register(f, "alice@a"), register(f, "bob@a")
	now(f, r.change(frame.TypeMemberAdd, "alice@a", frame.Change{UserIDs: []string{"dan@b", "eve@c"}}))
	if n := f.Stats().Encoded; n != 1 {
		t.Errorf("encoded %d times", n)
	}
	if alice.last(t).Frame != bob.last(t).Frame {
		t.Error("sessions do not share the frame")
	}
	if sent := f.opt.Bus.(*outbox).sent; len(sent) != 2 || sent[0].Notes[0].Frame != sent[1].Notes[0].Frame {
		t.Errorf("nodes do not share the frame: %v", sent)
	}
	lonely := r.message("alice@a")
	lonely.Origin = alice.id
	f.Unregister(bob)
	one := New(Options{})
	one.Register(alice)
	now(one, lonely)
	if n := one.Stats().Encoded; n != 0 {
		t.Errorf("encoded %d times for the origin alone", n)
	}
}

func TestDispatch_TheFrameIsTheEventsRecord(t *testing.T) {
	f := New(Options{})
	bob := register(f, "bob@a")
	r, create := newRoom(t, "alice@a", "bob@a")
	for typ, c := range map[string]Committed{frame.ConversationUpdated: create, frame.MessageReceived: r.message("alice@a")} {
		now(f, c)
		n := bob.last(t)
		var got struct {
			Type string      `json:"type"`
			Data frame.Event `json:"data"`
		}
		if err := json.Unmarshal(n.Frame.Payload(), &got); err != nil {
			t.Fatal(err)
		}
		want, err := c.Event.Record()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Data); diff != "" || got.Type != typ || n.Frame.Type() != typ {
			t.Errorf("%s: type %s, %s", typ, got.Type, diff)
		}
		if n.Shard != 3 || n.Pos != c.Event.Pos || n.Seq != c.Event.Seq || n.ConversationID != r.id || n.Mark != 0 {
			t.Errorf("place is %+v", n)
		}
	}
}

func TestDispatch_AReceiptGoesToThoseNamed(t *testing.T) {
	f := New(Options{})
	alice, bob := register(f, "alice@a"), register(f, "bob@a")
	msg := id.NewMessage(1000, 7, [32]byte{})
	f.dispatch(t.Context(), work{receipts: []Receipt{{
		Shard: 3, Mark: 9, ConversationID: "c1", User: "bob@a", Status: "read", Seq: 7, MessageID: msg, To: []id.User{"alice@a"},
	}}})
	expect(t, alice, "m9")
	expect(t, bob)
	want := `{"type":"delivery_ack","data":{"conversationId":"c1","messageId":"` + msg.String() +
		`","status":"read","userId":"bob@a","seq":7}}`
	if diff := cmp.Diff(want, string(alice.last(t).Frame.Payload())); diff != "" {
		t.Error(diff)
	}
}

func TestDispatch_OneNotePerNodeWithItsUsers(t *testing.T) {
	box := &outbox{}
	f := New(Options{Self: "a", Bus: box, Placement: byName{}})
	r, create := newRoom(t, "alice@a", "bob@b", "carol@b", "dan@c", "eve@none")
	m := r.message("alice@a")
	m.Origin = "s9"
	now(f, create, m)
	if len(box.sent) != 2 {
		t.Fatalf("%d packets for two nodes", len(box.sent))
	}
	for i, p := range box.sent {
		if p.From != "a" || p.Run != f.run || p.Seq != 1 || len(p.Notes) != 2 {
			t.Errorf("packet is %+v", p)
		}
		if n := p.Notes[1]; n.Except != "s9" || n.Pos != 2 {
			t.Errorf("note is %+v", n)
		}
		want := map[Node]int{"b": 2, "c": 1}[box.to[i]]
		for _, u := range p.Notes[1].Users {
			if Node(u.Server()) != box.to[i] {
				t.Errorf("%s was sent to %s", u, box.to[i])
			}
		}
		if len(p.Notes[1].Users) != want {
			t.Errorf("%d users for %s", len(p.Notes[1].Users), box.to[i])
		}
	}
}

func TestDispatch_AFullPacketGoesAtOnce(t *testing.T) {
	box := &outbox{}
	f := New(Options{Self: "a", Bus: box, Placement: byName{}})
	r, create := newRoom(t, "alice@a", "bob@b")
	events := []Committed{create}
	for range packetNotes {
		events = append(events, r.message("alice@a"))
	}
	now(f, events...)
	if len(box.sent) != 2 || len(box.sent[0].Notes) != packetNotes || len(box.sent[1].Notes) != 1 {
		t.Fatalf("packets: %v", box.sent)
	}
	if box.sent[0].Seq != 1 || box.sent[1].Seq != 2 {
		t.Error("packets are not numbered")
	}
}

func TestDispatch_AnEventThatCannotBeEncodedIsSkippedAndTheRestGoesOn(t *testing.T) {
	box := &outbox{}
	f := New(Options{Self: "a", Bus: box, Placement: byName{}})
	alice := register(f, "alice@a")
	r, create := newRoom(t, "alice@a", "bob@b")
	bad := r.next(frame.TypeMessage, "alice@a", []byte(`"`))
	stateless := Committed{Event: &conversation.Event{Type: frame.TypeMessage}}
	now(f, create, bad, stateless, r.message("alice@a"))
	expect(t, alice, "1", "3")
	if n := len(box.sent[0].Notes); n != 2 {
		t.Errorf("%d notes", n)
	}
	if n := f.Stats().Skipped; n != 2 {
		t.Errorf("skipped %d", n)
	}
}
