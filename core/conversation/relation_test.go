// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"errors"
	"fmt"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// team is a group of alice (owner), bob (admin) and carol, or the direct conversation of alice and bob.
func team(t *testing.T, direct bool) *world {
	t.Helper()
	w := newWorld("team")
	line := "alice creates group with bob carol"
	if direct {
		line = "alice creates direct with alice bob by alice bob"
	}
	lines := []string{line, "alice makes bob admin"}
	if direct {
		lines = lines[:1]
	}
	for _, l := range lines {
		if got, err := w.perform(l, l); err != nil || got[:3] != "seq" {
			t.Fatalf("%s: %s %v", l, got, err)
		}
	}
	return w
}

const hour = int64(3600_000)

func judged(w *world, p conversation.Proposal) string {
	err := conversation.Decide(w.state, p, w.limits)
	var f *fault.Error
	switch {
	case err == nil:
		return "yes"
	case errors.Is(err, conversation.ErrUnchanged):
		return "done"
	case errors.As(err, &f):
		return string(f.Code)
	}
	return err.Error()
}

func aimed(change ...func(*conversation.Target)) *conversation.Target {
	t := &conversation.Target{Seq: 2, Type: frame.TypeMessage, Sender: full("carol"), Time: hour}
	for _, f := range change {
		f(t)
	}
	return t
}

func TestDecide_EditsBelongToTheSenderAndHaveAnEnd(t *testing.T) {
	w := team(t, false)
	for _, c := range []struct {
		by   string
		t    *conversation.Target
		want string
	}{
		{"carol", aimed(), "yes"},
		{"alice", aimed(), "forbidden"},
		{"mallory", aimed(), "unknown_conversation"},
		{"carol", nil, "unknown_message"},
		{"carol", aimed(func(t *conversation.Target) { t.Type = frame.TypeRename }), "unknown_message"},
		{"carol", aimed(func(t *conversation.Target) { t.Erased = true }), "message_deleted"},
		{"carol", aimed(func(t *conversation.Target) { t.ExpiresAt = 10 * hour }), "message_deleted"},
		{"carol", aimed(func(t *conversation.Target) { t.ExpiresAt = 10*hour + 1 }), "yes"},
		{"carol", aimed(func(t *conversation.Target) { t.Edits = 99 }), "yes"},
		{"carol", aimed(func(t *conversation.Target) { t.Edits = 100 }), "too_many_edits"},
	} {
		p := conversation.Proposal{Type: frame.TypeEdit, Sender: full(c.by), At: 10 * hour, Target: c.t}
		if got := judged(w, p); got != c.want {
			t.Errorf("%s edits %+v: %s, want %s", c.by, c.t, got, c.want)
		}
	}
}

func TestDecide_DeletesOwnFor48HoursAndOthersByPermission(t *testing.T) {
	group, direct := team(t, false), team(t, true)
	for _, c := range []struct {
		w    *world
		by   string
		from string
		at   int64
		want string
	}{
		{group, "carol", "carol", 49 * hour, "yes"},
		{group, "carol", "carol", 49*hour + 1, "too_late"},
		{group, "bob", "carol", 1000 * hour, "yes"},
		{group, "bob", "bob", 1000 * hour, "yes"},
		{group, "carol", "alice", 2 * hour, "insufficient_role"},
		{direct, "bob", "alice", 2 * hour, "forbidden"},
		{direct, "alice", "alice", 49 * hour, "yes"},
		{direct, "alice", "alice", 50 * hour, "too_late"},
	} {
		p := conversation.Proposal{Type: frame.TypeDelete, Sender: full(c.by), At: c.at, Target: aimed()}
		p.Target.Sender = full(c.from)
		if got := judged(c.w, p); got != c.want {
			t.Errorf("%s deletes a message of %s at %d: %s, want %s", c.by, c.from, c.at/hour, got, c.want)
		}
		p.Target.Erased = true
		if got := judged(c.w, p); (c.want == "yes" || c.want == "too_late") && got != "done" {
			t.Errorf("%s deletes what is gone: %s", c.by, got)
		}
	}
}

func TestDecide_ReactionsHaveLimitsAndRepeatsChangeNothing(t *testing.T) {
	w := team(t, false)
	full50, own20 := map[string]int{}, map[string]bool{}
	for i := range conversation.MaxEmojis {
		full50[fmt.Sprint(i)] = 1
	}
	for i := range conversation.MaxUserReactions {
		own20[fmt.Sprint(i)] = true
	}
	for what, c := range map[string]struct {
		action, emoji string
		change        func(*conversation.Target)
		want          string
	}{
		"a new one":              {"add", "x", nil, "yes"},
		"one that is there":      {"add", "x", func(t *conversation.Target) { t.Own = map[string]bool{"x": true} }, "done"},
		"removing it":            {"remove", "x", func(t *conversation.Target) { t.Own = map[string]bool{"x": true} }, "yes"},
		"removing none":          {"remove", "x", nil, "done"},
		"no emoji":               {"add", "two", nil, "invalid_field"},
		"no action":              {"toggle", "x", nil, "invalid_field"},
		"to a deleted message":   {"add", "x", func(t *conversation.Target) { t.Erased = true }, "message_deleted"},
		"off a deleted message":  {"remove", "x", func(t *conversation.Target) { t.Erased = true }, "done"},
		"the 51st emoji":         {"add", "x", func(t *conversation.Target) { t.Emojis = full50 }, "too_many_reactions"},
		"one of 50 by another":   {"add", "7", func(t *conversation.Target) { t.Emojis = full50 }, "yes"},
		"the 21st of one user":   {"add", "x", func(t *conversation.Target) { t.Own = own20 }, "too_many_reactions"},
		"removing one of the 20": {"remove", "7", func(t *conversation.Target) { t.Own = own20 }, "yes"},
	} {
		p := conversation.Proposal{Type: frame.TypeReaction, Sender: full("bob"), Emoji: c.emoji, Action: c.action, At: hour, Target: aimed()}
		if c.change != nil {
			c.change(p.Target)
		}
		if got := judged(w, p); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

func TestDecide_MentionsAreMembersAndAllNeedsThePermission(t *testing.T) {
	group, direct := team(t, false), team(t, true)
	many := make([]string, conversation.MaxMentions+1)
	for _, c := range []struct {
		w    *world
		by   string
		whom []string
		want string
	}{
		{group, "carol", []string{string(full("alice")), string(full("bob"))}, "yes"},
		{group, "carol", []string{"all"}, "insufficient_role"},
		{group, "bob", []string{"all", string(full("carol"))}, "yes"},
		{direct, "bob", []string{"all"}, "yes"},
		{direct, "bob", []string{string(full("carol"))}, "invalid_field"},
		{group, "bob", []string{"all", "all"}, "invalid_field"},
		{group, "bob", []string{"carol"}, "invalid_field"},
		{group, "bob", many, "invalid_field"},
	} {
		for _, typ := range []string{frame.TypeMessage, frame.TypeEdit} {
			p := conversation.Proposal{Type: typ, Sender: full(c.by), Mentions: c.whom, At: hour, Target: aimed()}
			p.Target.Sender = id.User(full(c.by))
			if got := judged(c.w, p); got != c.want {
				t.Errorf("%s mentions %q in %s: %s, want %s", c.by, c.whom, typ, got, c.want)
			}
		}
	}
}

func TestErase_KeepsTheChainAndTellsNothing(t *testing.T) {
	w := team(t, false)
	for range 3 {
		if got, err := w.perform("", "carol sends"); err != nil || got[:3] != "seq" {
			t.Fatal(got, err)
		}
	}
	var state *conversation.State
	var head conversation.Head
	for _, e := range w.log {
		if e.Type == frame.TypeMessage && e.Seq != 3 {
			whole := e
			e = e.Erase()
			if whole.Content == nil || e.Erase().ContentHash != e.ContentHash {
				t.Error("erasing changes what is erased, or the event it was made of")
			}
			record, err := e.Record()
			if err != nil || record.Content+record.ContentType != "" {
				t.Errorf("erased: %+v, %v", record, err)
			}
		}
		var err error
		if state, err = conversation.Verify(e, head, state); err != nil {
			t.Fatalf("seq %d: %v", e.Seq, err)
		}
		head = conversation.HeadAt(e)
	}
	forged := w.log[3].Erase()
	forged.ContentHash[0] ^= 1
	if _, err := conversation.Verify(forged, conversation.HeadAt(w.log[2]), w.state); err == nil {
		t.Error("another content hash passes")
	}
}
