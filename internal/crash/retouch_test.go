// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func TestRetell_NoticesWhatWasAcknowledgedAndIsLostOrComesBack(t *testing.T) {
	message := id.NewMessage(1, 1, event.Hash{})
	about := func(seq int64, typ string, r event.Relation) *conversation.Event {
		r.TargetMessageID = message.String()
		content, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		return &conversation.Event{Seq: seq, Type: typ, Sender: "a@b", Content: content}
	}
	w := &world{}
	w.note(func(x *touched) { x.edits[message.String()] = []string{"two"} })
	l := newLogbook()
	l.retell(&conversation.Event{Seq: 1, Type: frame.TypeMessage, MessageID: message, Content: []byte(`{}`)})
	if len(w.judgeTouched(l)) != 1 {
		t.Error("an edit that is lost is not noticed")
	}
	l.retell(about(2, frame.TypeEdit, event.Relation{Content: "two"}))
	l.retell(about(3, frame.TypeReaction, event.Relation{Emoji: "x", Action: frame.ActionAdd}))
	if p := append(w.judgeTouched(l), l.problems...); len(p) > 0 {
		t.Errorf("problems where there are none: %q", p)
	}
	l.retell(about(4, frame.TypeReaction, event.Relation{Emoji: "x", Action: frame.ActionAdd}))
	w.note(func(x *touched) { x.deleted[message.String()] = true })
	if len(l.problems) != 1 || len(w.judgeTouched(l)) != 1 {
		t.Errorf("a reaction twice, a deletion that is lost: %q, %q", l.problems, w.judgeTouched(l))
	}
	l.retell(about(5, frame.TypeDelete, event.Relation{}))
	l.retell(about(6, frame.TypeEdit, event.Relation{Content: "back"}))
	if len(l.problems) != 2 || len(w.judgeTouched(l)) != 0 {
		t.Errorf("an edit after a deletion: %q, %q", l.problems, w.judgeTouched(l))
	}
	w.mustStayDeleted([]frame.Event{{MessageID: message.String(), Content: "back"}})
	if len(w.problems) != 1 {
		t.Error("content that shows again is not noticed")
	}
}
