// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.chat/protocol/frame"
)

func about(seq int64, typ, sender string) frame.Event {
	return frame.Event{ConversationID: "c", Seq: seq, Type: typ, SenderID: sender, TargetMessageID: "m", Timestamp: seq * 10}
}

func reaction(seq int64, sender, emoji, action string) frame.Event {
	e := about(seq, frame.TypeReaction, sender)
	e.Emoji, e.Action = emoji, action
	return e
}

func TestApply_BringsAMessageUpToDateOnce(t *testing.T) {
	m := frame.Event{ConversationID: "c", Seq: 1, MessageID: "m", Type: frame.TypeMessage, SenderID: "a", Content: "helo", ContentType: "text", MediaURL: "/x"}
	edit := about(2, frame.TypeEdit, "a")
	edit.Content, edit.Mentions = "hello", []string{"b"}
	events := []frame.Event{
		edit, reaction(3, "a", "x", "add"), reaction(4, "b", "x", "add"), reaction(5, "b", "y", "add"), reaction(6, "b", "y", "remove"),
		reaction(7, "b", "z", "remove"),
	}
	first := m
	for _, e := range events {
		before := m
		m = Apply(m, e, "b")
		if again := Apply(m, e, "b"); !cmp.Equal(again, m) {
			t.Errorf("seq %d applied twice: %+v", e.Seq, again)
		}
		if other := (frame.Event{MessageID: "other"}); !cmp.Equal(Apply(other, e, "b"), other) {
			t.Errorf("seq %d changes another message", e.Seq)
		}
		_ = before
	}
	want := first
	want.Content, want.Mentions, want.EditedAt, want.ChangedSeq = "hello", []string{"b"}, 20, 7
	want.Reactions = []frame.Reaction{{Emoji: "x", Count: 2, UserIDs: []string{"a", "b"}, IsOwn: true}}
	if d := cmp.Diff(want, m, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	gone := Apply(m, about(8, frame.TypeDelete, "a"), "b")
	if gone.Content+gone.ContentType+gone.MediaURL != "" || gone.Reactions != nil || gone.DeletedBy != "a" || gone.DeletedAt != 80 {
		t.Errorf("deleted: %+v", gone)
	}
	if m.Content != "hello" || len(m.Reactions) != 1 {
		t.Errorf("the record given changed: %+v", m)
	}
	late := about(9, frame.TypeEdit, "a")
	late.Content = "back"
	if e := Apply(gone, late, "b"); e.Content != "" {
		t.Errorf("an edit brings back %q", e.Content)
	}
}

func TestShown_HidesWhatExpired(t *testing.T) {
	now := time.UnixMilli(1000)
	for at, want := range map[int64]string{0: "x", 1001: "x", 1000: "", 1: ""} {
		if m := Shown(frame.Event{Content: "x", ContentType: "text", ExpiresAt: at}, now); m.Content != want || (m.ContentType == "") != (want == "") {
			t.Errorf("expiring at %d: %+v", at, m)
		}
	}
}
