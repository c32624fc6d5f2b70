// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"fmt"
	"maps"
	"strconv"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// relations are the verbs of messages and of what happens to them.
var relations = map[string]string{
	"sends": frame.TypeMessage, "edits": frame.TypeEdit, "deletes": frame.TypeDelete,
	"reacts": frame.TypeReaction, "unreacts": frame.TypeReaction, "toggles": frame.TypeReaction,
}

// told is what later events did to a message.
type told struct {
	erased    bool
	edits     int
	reactions map[string]map[id.User]bool // by emoji
}

// relation reads `sends mentioning bob all`, `edits 1 mentioning bob`, `deletes 1`, `reacts 1 x`. What the log has at the message
// may be put otherwise: `edits 1 having 99 edits`, and the same with `50 emojis`, `20 own`, `erased`.
func (w *world) relation(p *conversation.Proposal, verb string, rest []string) error {
	rest, whom, _ := cut(rest, "mentioning")
	rest, facts, _ := cut(rest, "having")
	p.Type = relations[verb]
	for _, name := range whom {
		if name != frame.MentionAll {
			name = string(full(name))
		}
		p.Mentions = append(p.Mentions, name)
	}
	want := map[string]int{frame.TypeMessage: 0, frame.TypeReaction: 2}
	n, ok := want[p.Type]
	if !ok {
		n = 1
	}
	if len(rest) != n {
		return fmt.Errorf("%s wants %d words, not %q", verb, n, rest)
	}
	if p.Type == frame.TypeReaction {
		p.Emoji = rest[1]
		p.Action = map[string]string{"reacts": frame.ActionAdd, "unreacts": frame.ActionRemove, "toggles": "toggle"}[verb]
	}
	if n == 0 {
		return nil
	}
	return w.target(p, append([]string{rest[0]}, facts...))
}

// target reads `3`, the seq of a message, and facts of it as relation has them. A message that the sender may not read, and one
// that does not exist, is none.
func (w *world) target(p *conversation.Proposal, words []string) error {
	seq, err := strconv.Atoi(words[0])
	if err != nil || seq >= len(w.log) {
		p.Change.TargetMessageID = words[0]
		return nil
	}
	e := w.log[seq]
	p.Change.TargetMessageID = e.MessageID.String()
	from, to, ok := w.state.Visible(p.Sender, w.head.Seq)
	if !ok || e.Seq < from || e.Seq > to {
		return nil
	}
	p.Target = &conversation.Target{Seq: e.Seq, Type: e.Type, Sender: e.Sender, Time: e.HubTime, ExpiresAt: e.ExpiresAt}
	if t := w.told[e.Seq]; t != nil {
		t.fill(p.Target, p.Sender)
	}
	return pretend(p.Target, words[1:])
}

func (t *told) fill(out *conversation.Target, sender id.User) {
	out.Erased, out.Edits = t.erased, t.edits
	out.Emojis, out.Own = map[string]int{}, map[string]bool{}
	for emoji, users := range t.reactions {
		out.Emojis[emoji] = len(users)
		if users[sender] {
			out.Own[emoji] = true
		}
	}
}

// firstEmoji is the first of those that facts put on messages.
const firstEmoji = 0x1f400

// pretend puts facts of a message otherwise than the log has them.
func pretend(t *conversation.Target, facts []string) error {
	t.Emojis, t.Own = maps.Clone(t.Emojis), maps.Clone(t.Own)
	if t.Emojis == nil {
		t.Emojis, t.Own = map[string]int{}, map[string]bool{}
	}
	for i := 0; i < len(facts); i++ {
		if facts[i] == "erased" {
			t.Erased = true
			continue
		}
		n, err := strconv.Atoi(facts[i])
		if i++; err != nil || i == len(facts) {
			return fmt.Errorf("not facts of a message: %q", facts)
		}
		switch facts[i] {
		case "edits":
			t.Edits = n
		case "emojis", "own":
			for k := range n {
				emoji := string(rune(firstEmoji + k))
				t.Emojis[emoji]++
				t.Own[emoji] = t.Own[emoji] || facts[i] == "own"
			}
		default:
			return fmt.Errorf("unknown fact %q", facts[i])
		}
	}
	maps.DeleteFunc(t.Own, func(_ string, own bool) bool { return !own })
	return nil
}

// relationOf is the content of an event about a message.
func relationOf(p conversation.Proposal) event.Relation {
	r := event.Relation{Action: p.Action, Emoji: p.Emoji, Mentions: p.Mentions, TargetMessageID: p.Change.TargetMessageID}
	if p.Type == frame.TypeEdit {
		r.Content, r.ContentType = "changed", "text"
	}
	return r
}

// tell notes what an accepted proposal did to a message.
func (w *world) tell(p conversation.Proposal) {
	if p.Target == nil {
		return
	}
	t := w.told[p.Target.Seq]
	if t == nil {
		t = &told{reactions: map[string]map[id.User]bool{}}
		w.told[p.Target.Seq] = t
	}
	switch p.Type {
	case frame.TypeEdit:
		t.edits++
	case frame.TypeDelete:
		t.erased = true
		clear(t.reactions)
	case frame.TypeReaction:
		t.react(p)
	}
}

func (t *told) react(p conversation.Proposal) {
	users := t.reactions[p.Emoji]
	if users == nil {
		users = map[id.User]bool{}
		t.reactions[p.Emoji] = users
	}
	users[p.Sender] = true
	if p.Action == frame.ActionRemove {
		delete(users, p.Sender)
	}
	if len(users) == 0 {
		delete(t.reactions, p.Emoji)
	}
}
