// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"strings"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// edit is an edit of an entry.
func (r *room) edit(sender id.User, about Committed, text string) Committed {
	r.t.Helper()
	content, err := event.Relation{Content: text, ContentType: "text", TargetMessageID: about.Event.MessageID.String()}.Canonical()
	if err != nil {
		r.t.Fatal(err)
	}
	return r.next(frame.TypeEdit, sender, content)
}

func TestEdit_WhoDoesNotSeeTheMessageGetsItsPlaceWithoutContent(t *testing.T) {
	f := New(Options{})
	alice, bob, carol := register(f, "alice@a"), register(f, "bob@a"), register(f, "carol@a")
	r, create := newRoom(t, "alice@a", "bob@a")
	before := r.message("alice@a")
	now(f, create, before, r.change(frame.TypeMemberAdd, "alice@a", frame.Change{UserIDs: []string{"carol@a"}}))
	withheld := r.edit("alice@a", before, "a secret")
	withheld.Unseen = []id.User{"bob@a"}
	now(f, withheld, r.message("alice@a"))
	expect(t, alice, "1", "2", "3", "4", "5")
	expect(t, bob, "1", "2", "3", "4", "5")
	expect(t, carol, "3", "4", "5")
	for h, want := range map[*heard]bool{alice: true, bob: false, carol: false} { // Kept out by a block, and not yet there.
		n := h.notes[len(h.notes)-2]
		told := string(n.Frame.Payload())
		if n.Frame.Type() != frame.MessageEdited || n.Pos != withheld.Event.Pos || strings.Contains(told, "a secret") != want {
			t.Errorf("%s gets at %d %s", h.id, n.Pos, told)
		}
		if !strings.Contains(told, before.Event.MessageID.String()) {
			t.Errorf("%s is not told which message: %s", h.id, told)
		}
	}
	if !withheld.Event.HiddenFrom(r.state.Members["carol@a"].FromSeq) || conversation.ChangesState(withheld.Event.Type) {
		t.Error("the edit is not hidden from who came later")
	}
}
