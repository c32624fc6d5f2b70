// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Contact tells whether two users know each other: both are members of a group, or have a direct conversation that the first
// made, wrote in or accepted. The cost is that of the conversations they have.
func (f *Feed) Contact(ctx context.Context, of, other id.User) (bool, error) {
	theirs, err := f.Log.UserIndex(ctx, other) // First: strangers have none, and they ask most.
	if err != nil {
		return false, away(err)
	}
	if !slices.ContainsFunc(theirs, func(m Membership) bool { return m.Membership == conversation.Joined }) {
		return false, nil
	}
	mine, err := f.Log.UserIndex(ctx, of)
	if err != nil {
		return false, away(err)
	}
	direct, err := Direct(of, other)
	if err != nil {
		return false, err
	}
	have := make(map[id.Conversation]bool, len(mine))
	for _, m := range mine {
		have[m.ID] = m.Membership == conversation.Joined
	}
	for _, m := range theirs {
		if m.Membership != conversation.Joined || !have[m.ID] {
			continue
		}
		if m.ID != direct {
			return true, nil
		}
		if known, err := f.accepted(ctx, direct, of); known || err != nil {
			return known, err
		}
	}
	return false, nil
}

// Direct is the id of the direct conversation of two users.
func Direct(a, b id.User) (id.Conversation, error) {
	raw, err := event.NewDirect(min(a, b), max(a, b)).Canonical()
	return event.ConversationID(raw), err
}

// accepted tells whether the member wants the conversation: whoever makes one does, the other by an answer.
func (f *Feed) accepted(ctx context.Context, c id.Conversation, u id.User) (bool, error) {
	all, err := f.Owner.Pointers(ctx, c)
	if err != nil {
		return false, err
	}
	p, ok := all[u]
	return ok && (p.Prefs == nil || p.Prefs.Consent == "" && !p.Prefs.Silent), nil
}
