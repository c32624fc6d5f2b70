// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

const (
	maxDraft = 4 << 10
	maxTime  = 1<<53 - 1 // what every client can hold
)

// shown turns events into what the caller gets of them.
func (o *Conversations) shown(ctx context.Context, c Caller, v timeline.View, events []*conversation.Event) ([]frame.Event, error) {
	pointers, err := o.Feed.Pointers(ctx, v, c.User)
	if err != nil {
		return nil, err
	}
	return o.shownTo(ctx, c, v, pointers, events)
}

func (o *Conversations) shownTo(ctx context.Context, c Caller, v timeline.View, pointers map[id.User]timeline.Pointer, events []*conversation.Event) ([]frame.Event, error) {
	records, err := o.Feed.Records(v, c.User, pointers, events)
	if err != nil {
		return nil, err
	}
	return records, o.Feed.Personal(ctx, v, c.User, pointers[c.User], records)
}

// sight selects what the caller may read, as the caller sees it; reader is that of reading.
func sight(v timeline.View, c Caller, pointers map[id.User]timeline.Pointer, reader *reader) timeline.Range {
	if reader != nil {
		return timeline.Range{To: v.Head.Seq, Reader: c.User}
	}
	return timeline.Sight(v, c.User, pointers[c.User])
}

// setPrefs changes what the caller wants of a conversation; change gets prefs to be filled in, or returns false to leave them.
func (o *Conversations) setPrefs(ctx context.Context, c Caller, conv id.Conversation, change func(timeline.View, *timeline.Prefs) (bool, error)) error {
	return o.Timeline.SetPrefs(ctx, conv, c.User, func(v timeline.View, p timeline.Pointer) (*timeline.Prefs, error) {
		changed := false
		var err error
		next := p.Prefs.With(v, p, func(n *timeline.Prefs) { changed, err = change(v, n) })
		if err != nil || !changed {
			return nil, err
		}
		return next, nil
	})
}

// Prefer changes the caller's settings of a conversation and answers it. Faults: invalid_field, unknown_conversation,
// unavailable. spec: PREFS-EDIT-1
func (o *Conversations) Prefer(ctx context.Context, c Caller, conversationID string, in rest.EditPrefs) (frame.Conversation, error) {
	if err := checkPrefs(in); err != nil {
		return frame.Conversation{}, err
	}
	v, reader, err := o.reading(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	if reader != nil {
		return o.preferAsReader(ctx, c, v, reader, in)
	}
	err = o.setPrefs(ctx, c, v.State.ID, func(_ timeline.View, p *timeline.Prefs) (bool, error) {
		put(&p.MutedUntil, in.MutedUntil)
		put(&p.IsPinned, in.IsPinned)
		put(&p.IsArchived, in.IsArchived)
		put(&p.MarkedUnread, in.MarkedUnread)
		put(&p.Draft, in.Draft)
		put(&p.Notifications, in.Notifications)
		return true, nil
	})
	if err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

func put[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func checkPrefs(in rest.EditPrefs) error {
	if in.MutedUntil != nil && (*in.MutedUntil < 0 || *in.MutedUntil > maxTime) {
		return fault.Invalid("mutedUntil", "must be a time in Unix milliseconds, or 0")
	}
	if in.Notifications != nil && !slices.Contains([]string{"all", "mentions", "none"}, *in.Notifications) {
		return fault.Invalid("notifications", "must be all, mentions or none")
	}
	if d := in.Draft; d != nil && (len(*d) > maxDraft || !utf8.ValidString(*d) || strings.ContainsRune(*d, 0)) {
		return fault.Invalid("draft", "must be at most %d bytes of text", maxDraft)
	}
	return nil
}
