// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Summary is a conversation as the user sees it. The user is or was a member. It asks the store only if there are unread
// messages that mention the user. Faults: Unavailable.
func (f *Feed) Summary(ctx context.Context, v timeline.View, u id.User, pointers map[id.User]timeline.Pointer) (frame.Conversation, error) {
	out, err := f.summary(v, u, pointers)
	if p := pointers[u]; err == nil && out.Membership == conversation.Joined && p.Mentioned > p.Read {
		out.MentionCount, err = f.mentions(ctx, v, u, p)
	}
	return out, err
}

// mentions counts the unread messages that mention u and that u gets: those of a request are none.
func (f *Feed) mentions(ctx context.Context, v timeline.View, u id.User, p timeline.Pointer) (int64, error) {
	var but []timeline.Span
	if p.Prefs != nil {
		if p.Prefs.Consent != "" {
			return 0, nil
		}
		but = slices.Clip(p.Prefs.Withheld)
	}
	if f.People != nil {
		hidden, err := f.People.HiddenSeqs(ctx, u, v.State.ID)
		if err != nil {
			return 0, away(err)
		}
		for _, seq := range hidden {
			but = append(but, timeline.Span{From: seq, To: seq})
		}
	}
	count, err := f.Log.Mentions(ctx, v.Shard, v.Conv, u, p.Read, but)
	if err != nil {
		return 0, away(err)
	}
	return count, nil
}

func (f *Feed) summary(v timeline.View, u id.User, pointers map[id.User]timeline.Pointer) (frame.Conversation, error) {
	p := pointers[u]
	m, _ := v.State.Member(u)
	from, to, _ := v.State.Visible(u, v.Head.Seq)
	out := frame.Conversation{
		Notifications:  "all",
		ConversationID: string(v.State.ID),
		Type:           v.State.Type(),
		Name:           v.State.Name,
		PeerID:         string(v.State.Peer(u)),
		CreatedBy:      string(v.State.Create.Creators[0]),
		Membership:     m.Membership,
		Role:           m.Role,
		MemberCount:    v.State.Joined,
		HeadSeq:        to,
		LastMessageAt:  m.JoinedAt,
		CreatedAt:      v.State.Created,
		DeliveredSeq:   p.Delivered,
		ReadSeq:        p.Read,
		Visibility:     Visibility(v.State),
	}
	if m.Membership == conversation.Joined {
		out.UnreadCount = max(0, v.Head.Count-p.ReadCount)
		addInfo(&out, v.State, from)
	} else {
		out.Name, out.MemberCount = m.LeftName, m.LeftCount
	}
	if last := v.Last; last != nil && last.Seq >= from && last.Seq <= to && !changedAfter(last, m) {
		record, err := f.one(v, u, pointers, last)
		if err != nil {
			return out, err
		}
		record.Reactions, record.ChangedSeq = nil, 0 // The preview does not follow them.
		out.LastMessage, out.LastMessageAt = &record, last.HubTime
	}
	return out, nil
}

// addInfo shows a member the settings, and the pins as far as the member may read.
func addInfo(out *frame.Conversation, s *conversation.State, from int64) {
	i := &s.Info
	out.AvatarURL, out.Description, out.Permissions = i.AvatarURL, i.Description, s.Permissions()
	out.EphemeralTimer, out.SlowMode, out.ServerSearch = i.EphemeralTimer, i.SlowMode, i.ServerSearch
	out.HistoryVisibility = s.Visibility()
	for _, m := range i.Pins {
		if m.Seq() >= from {
			out.PinnedMessageIDs = append(out.PinnedMessageIDs, m.String())
		}
	}
}

// changedAfter tells whether the message was edited after a past membership had ended.
func changedAfter(e *conversation.Event, m conversation.Member) bool {
	return m.Membership != conversation.Joined && e.Content != nil && e.Facts != nil && e.Facts.ChangedSeq > m.LeftSeq
}

// Records turns events of one conversation, as timeline.Sight selects them, into what u sees: messages in their present form, and those
// that expired without content. In a direct conversation the status of own messages follows the peer's pointers.
func (f *Feed) Records(v timeline.View, u id.User, pointers map[id.User]timeline.Pointer, events []*conversation.Event) ([]frame.Event, error) {
	out := make([]frame.Event, 0, len(events))
	for _, e := range events {
		e.ConversationID = v.State.ID
		record, err := f.one(v, u, pointers, e)
		if err != nil {
			return nil, err
		}
		out = append(out, record)
	}
	return out, nil
}

func (f *Feed) one(v timeline.View, u id.User, pointers map[id.User]timeline.Pointer, e *conversation.Event) (frame.Event, error) {
	from, _, _ := v.State.Visible(u, v.Head.Seq)
	if e.Expired(f.Clock().UnixMilli()) || e.HiddenFrom(from) {
		e = e.Erase()
	}
	record, err := e.Record()
	peer := v.State.Peer(u)
	if err != nil || e.Sender != u || peer == "" {
		return record, err
	}
	switch p := pointers[peer]; {
	case p.Prefs.Blocks(e.Seq): // It never got there.
	case p.Read >= e.Seq:
		record.Status = "read"
	case p.Delivered >= e.Seq:
		record.Status = "delivered"
	}
	return record, nil
}
