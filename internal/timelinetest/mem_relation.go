// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"cmp"
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// memNote is what events did to one message.
type memNote struct {
	changed   int64
	edits     []int64
	deletedAt int64
	deletedBy id.User
	reactions []timeline.RelationRow // those that are there, oldest first
	mentions  []string
}

func (sh *memShard) note(conv, seq int64) *memNote {
	key := [2]int64{conv, seq}
	if sh.notes[key] == nil {
		sh.notes[key] = &memNote{changed: -1}
	}
	return sh.notes[key]
}

func (sh *memShard) relate(r timeline.RelationRow) {
	n := sh.note(r.Conv, r.Target)
	n.changed = r.Seq
	switch r.Type {
	case frame.TypeEdit:
		n.edits = append(n.edits, r.Seq)
	case frame.TypeDelete:
		n.deletedAt, n.deletedBy = r.At, r.User
	case frame.TypeReaction:
		n.reactions = slices.DeleteFunc(n.reactions, func(have timeline.RelationRow) bool {
			return have.User == r.User && have.Emoji == r.Emoji
		})
		if r.Action == frame.ActionAdd {
			n.reactions = append(n.reactions, r)
		}
	}
}

func (sh *memShard) erase(conv, seq int64) {
	n := sh.note(conv, seq)
	for _, e := range sh.events {
		if e.Conv == conv && (e.Seq == seq || slices.Contains(n.edits, e.Seq)) {
			e.Event = e.Erase()
		}
	}
	n.reactions, n.mentions = nil, nil
}

func (sh *memShard) event(conv, seq int64) *conversation.Event {
	for _, e := range sh.events {
		if e.Conv == conv && e.Seq == seq {
			return e.Event
		}
	}
	return nil
}

// facts is a copy of e with what happened to it.
func (sh *memShard) facts(e *conversation.Event, reader id.User) *conversation.Event {
	out := *e
	n := sh.notes[[2]int64{e.Conv, e.Seq}]
	if n == nil || n.changed < 0 {
		return &out
	}
	out.Facts = &conversation.Facts{ChangedSeq: n.changed, Edits: len(n.edits), DeletedAt: n.deletedAt, DeletedBy: n.deletedBy}
	if len(n.edits) > 0 {
		edit := sh.event(e.Conv, n.edits[len(n.edits)-1])
		out.Facts.Edited, out.Facts.EditedAt = edit.Content, edit.HubTime
	}
	if reader != "" {
		out.Facts.Reactions = n.list(reader)
	}
	return &out
}

func (n *memNote) list(reader id.User) (out []frame.Reaction) {
	at := map[string]int{}
	for _, r := range n.reactions {
		i, ok := at[r.Emoji]
		if !ok {
			i = len(out)
			at[r.Emoji] = i
			out = append(out, frame.Reaction{Emoji: r.Emoji})
		}
		out[i].Count++
		out[i].IsOwn = out[i].IsOwn || r.User == reader
		if len(out[i].UserIDs) < 20 {
			out[i].UserIDs = append(out[i].UserIDs, string(r.User))
		}
	}
	return out
}

// mentioned is the newest message that mentions u, or all.
func (sh *memShard) mentioned(conv int64, u id.User) (seq int64) {
	for key, n := range sh.notes {
		if key[0] == conv && (slices.Contains(n.mentions, string(u)) || slices.Contains(n.mentions, frame.MentionAll)) {
			seq = max(seq, key[1])
		}
	}
	return seq
}

// Target implements timeline.Store.
func (m *Mem) Target(_ context.Context, n id.Shard, conv, seq int64, u id.User) (*timeline.Target, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh := m.shards[n]
	e := sh.event(conv, seq)
	if e == nil {
		return nil, nil
	}
	out := &timeline.Target{Event: sh.facts(e, u), Emojis: map[string]int{}, Own: map[string]bool{}}
	for _, r := range sh.note(conv, seq).reactions {
		out.Emojis[r.Emoji]++
		if r.User == u {
			out.Own[r.Emoji] = true
		}
	}
	return out, nil
}

// Written implements timeline.Store.
func (m *Mem) Written(_ context.Context, n id.Shard, conv int64, author id.User, after int64, limit int) (out []timeline.Expiring, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.shards[n].events {
		if e.Conv == conv && e.Sender == author && e.Type == frame.TypeMessage && e.Content != nil && e.Seq > after {
			out = append(out, timeline.Expiring{Conv: conv, Seq: e.Seq, Message: e.MessageID, Type: e.Type})
		}
	}
	slices.SortFunc(out, func(a, b timeline.Expiring) int { return cmp.Compare(a.Seq, b.Seq) })
	return out[:min(len(out), limit)], nil
}

// Expired implements timeline.Store.
func (m *Mem) Expired(_ context.Context, n id.Shard, limit int) (out []timeline.Expiring, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh := m.shards[n]
	for _, e := range sh.events {
		if e.ExpiresAt == 0 || e.Content == nil {
			continue
		}
		x := timeline.Expiring{ConversationID: sh.convs[e.Conv].id, Conv: e.Conv, Seq: e.Seq, Message: e.MessageID, Type: e.Type, ExpiresAt: e.ExpiresAt}
		if e.Type == frame.TypeEdit {
			x.Edit = e.Content
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b timeline.Expiring) int { return cmp.Compare(a.ExpiresAt, b.ExpiresAt) })
	return out[:min(len(out), limit)], nil
}
