// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"parley.chat/core/conversation"
	"parley.chat/core/feed"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// aboutMessage finds a message that the caller may read. Faults: unknown_conversation, unknown_message, unavailable.
func (o *Conversations) aboutMessage(ctx context.Context, c Caller, conversationID, messageID string) (timeline.View, *conversation.Event, error) {
	v, err := o.visible(ctx, c, conversationID)
	if err != nil {
		return v, nil, err
	}
	m, err := id.ParseMessage(messageID)
	if err != nil {
		return v, nil, fault.New(fault.UnknownMessage, "no such message")
	}
	v, e, err := o.Timeline.Message(ctx, v.State.ID, c.User, m)
	if err == nil && e.Type != frame.TypeMessage {
		err = fault.New(fault.UnknownMessage, "no such message")
	}
	return v, e, err
}

// relate appends an event about a message. That it would change nothing is as good as done. isAccepted tells that it is on its
// way to a hub that does not answer.
func (o *Conversations) relate(ctx context.Context, c Caller, v timeline.View, p conversation.Proposal, r event.Relation, tempID string) (isAccepted bool, err error) {
	content, err := r.Canonical()
	if wrong, ok := errors.AsType[*canonical.Error](err); ok && wrong.Kind == canonical.KindTooLarge || len(content) > MaxContent {
		return false, fault.New(fault.ContentTooLarge, "the content of an event has at most %d bytes", MaxContent)
	}
	if err != nil {
		return false, fault.New(fault.MalformedJSON, "the content is not valid UTF-8").Because(err)
	}
	about, err := id.ParseMessage(r.TargetMessageID)
	if err != nil {
		return false, fault.New(fault.UnknownMessage, "no such message")
	}
	res, err := o.append(ctx, c, v.State.ID, timeline.Command{Proposal: p, Content: content, TempID: tempID, About: about})
	if errors.Is(err, conversation.ErrUnchanged) {
		return false, nil
	}
	return res.Accepted, err
}

// EditMessage gives a message of the caller another content and answers the message as it is then; as it was if the edit is only
// accepted. Faults: invalid_field, content_too_large, unknown_conversation, not_member, unknown_message, forbidden, message_deleted,
// too_many_edits, temp_id_conflict, unavailable.
func (o *Conversations) EditMessage(ctx context.Context, c Caller, conversationID, messageID string, in rest.EditMessage) (out frame.Event, isAccepted bool, err error) {
	if in.TempID != "" {
		if err := submission.CheckTempID(in.TempID); err != nil {
			return out, false, err
		}
	}
	if in.Content == "" {
		return out, false, fault.Invalid("content", "must not be empty; to take a message back, delete it")
	}
	_, e, err := o.aboutMessage(ctx, c, conversationID, messageID)
	if err != nil {
		return out, false, err
	}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return out, false, err
	}
	record, err := e.Record()
	if err != nil {
		return out, false, err
	}
	if e.Sender == c.User && (e.Content == nil || e.Expired(o.Timeline.Clock().UnixMilli())) {
		return out, false, fault.New(fault.MessageDeleted, "the message was deleted or expired") // Before its tempId is looked at.
	}
	if e.Sender == c.User && record.Content == "" {
		return out, false, fault.Invalid("messageId", "the message has no text that could be edited")
	}
	isAccepted, err = o.relate(ctx, c, v,
		conversation.Proposal{Type: frame.TypeEdit, Mentions: in.Mentions},
		event.Relation{Content: in.Content, ContentType: record.ContentType, Mentions: in.Mentions, TargetMessageID: e.MessageID.String()},
		in.TempID)
	if err != nil {
		return out, false, err
	}
	out, err = o.message(ctx, c, conversationID, messageID)
	return out, isAccepted, err
}

// message answers a message as it is now.
func (o *Conversations) message(ctx context.Context, c Caller, conversationID, messageID string) (frame.Event, error) {
	v, e, err := o.aboutMessage(ctx, c, conversationID, messageID)
	if err != nil {
		return frame.Event{}, err
	}
	records, err := o.shown(ctx, c, v, []*conversation.Event{e})
	if err != nil {
		return frame.Event{}, err
	}
	return records[0], nil
}

// DeleteMessage erases a message for everyone, or will. It is as good as done for one that is gone. Faults: unknown_conversation,
// not_member, unknown_message, forbidden, insufficient_role, too_late, unavailable.
func (o *Conversations) DeleteMessage(ctx context.Context, c Caller, conversationID, messageID string) (isAccepted bool, err error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return false, err
	}
	return o.relate(ctx, c, v, conversation.Proposal{Type: frame.TypeDelete}, event.Relation{TargetMessageID: messageID}, "")
}

// React puts an emoji of the caller on a message, or takes it off. It is as good as done if it is so already. Faults:
// invalid_field, unknown_conversation, not_member, unknown_message, message_deleted, too_many_reactions, unavailable.
func (o *Conversations) React(ctx context.Context, c Caller, conversationID, messageID, emoji, action string) (isAccepted bool, err error) {
	if !event.IsEmoji(emoji) {
		return false, fault.Invalid("emoji", "must be one character of at most %d bytes, without spaces and controls", event.MaxEmoji)
	}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return false, err
	}
	return o.relate(ctx, c, v,
		conversation.Proposal{Type: frame.TypeReaction, Emoji: emoji, Action: action},
		event.Relation{Action: action, Emoji: emoji, TargetMessageID: messageID}, "")
}

// Edits answers a page of the versions of a message, oldest first, those that were erased without content. Faults:
// invalid_cursor, unknown_conversation, unknown_message, unavailable. spec: MSG-EDIT-6
func (o *Conversations) Edits(ctx context.Context, c Caller, conversationID, messageID, cursor string, limit int) (rest.Edits, error) {
	out := rest.Edits{Versions: []rest.Version{}}
	after, err := parseSeqCursor("v.", cursor)
	if err != nil {
		return out, err
	}
	v, e, err := o.aboutMessage(ctx, c, conversationID, messageID)
	if err != nil {
		return out, err
	}
	pointers, err := o.Feed.Pointers(ctx, v, c.User)
	if err != nil {
		return out, err
	}
	edits, err := o.Feed.Log.Edits(ctx, v.Shard, v.Conv, e.Seq, timeline.Range{From: max(after, e.Seq) + 1, To: v.Head.Seq, Limit: limit + 1, Bytes: pageBytes})
	if err != nil {
		return out, err
	}
	if after < e.Seq {
		first := *e
		first.Facts = nil
		edits = append([]*conversation.Event{&first}, edits...)
	}
	if kept := versionsOf(edits, limit); kept < len(edits) {
		out.HasMore, out.NextCursor = true, "v."+strconv.FormatInt(edits[kept-1].Seq, 10)
		edits = edits[:kept]
	}
	r := timeline.Sight(v, c.User, pointers[c.User])
	edits = slices.DeleteFunc(edits, func(one *conversation.Event) bool {
		return one.Seq > r.To || one.Seq > e.Seq && one.Sender != c.User && r.Withholds(one.Seq)
	})
	records, err := o.shownTo(ctx, c, v, pointers, edits)
	for _, one := range records {
		out.Versions = append(out.Versions, rest.Version{
			Seq: one.Seq, MessageID: one.MessageID, Timestamp: one.Timestamp, Content: one.Content, Mentions: one.Mentions,
		})
	}
	return out, err
}

// versionsOf tells how many of the versions are on a page: at least one, and the others while there is room.
func versionsOf(list []*conversation.Event, limit int) int {
	size := 0
	for i, e := range list {
		if size += len(e.Content); i > 0 && (i == limit || size > pageBytes) {
			return i
		}
	}
	return len(list)
}

// Reactions answers a page of who reacted to a message, with the emoji or, if it is empty, any. Faults: invalid_cursor,
// unknown_conversation, unknown_message, unavailable.
func (o *Conversations) Reactions(ctx context.Context, c Caller, conversationID, messageID, emoji, cursor string, limit int) (rest.Reactions, error) {
	out := rest.Reactions{Reactions: []rest.Reactor{}}
	after, err := parseSeqCursor("r.", cursor)
	if err != nil {
		return out, err
	}
	v, e, err := o.aboutMessage(ctx, c, conversationID, messageID)
	if err != nil || e.Expired(o.Feed.Clock().UnixMilli()) {
		return out, err
	}
	pointers, err := o.Feed.Pointers(ctx, v, c.User)
	if err != nil {
		return out, err
	}
	if shown, err := o.shownTo(ctx, c, v, pointers, []*conversation.Event{e}); err != nil || !feed.Shown(shown[0]) {
		return out, err
	}
	list, err := o.Feed.Log.Reactors(ctx, v.Shard, v.Conv, e.Seq, timeline.ReactorRange{Emoji: emoji, AfterSeq: after, Limit: limit + 1})
	if err != nil {
		return out, err
	}
	if out.HasMore = len(list) > limit; out.HasMore {
		list = list[:limit]
		out.NextCursor = "r." + strconv.FormatInt(list[limit-1].AddedSeq, 10)
	}
	may := timeline.Sight(v, c.User, pointers[c.User])
	for _, r := range list {
		if r.AddedSeq > may.To {
			return rest.Reactions{Reactions: out.Reactions}, nil
		}
		if r.User != c.User && may.Withholds(r.AddedSeq) {
			continue
		}
		out.Reactions = append(out.Reactions, rest.Reactor{Emoji: r.Emoji, UserID: string(r.User), Timestamp: r.At})
	}
	return out, nil
}

// parseSeqCursor reads the cursor of a list in the order of a log, -1 if it is empty.
func parseSeqCursor(prefix, s string) (after int64, err error) {
	if s == "" {
		return -1, nil
	}
	n, ok := strings.CutPrefix(s, prefix)
	after, err = strconv.ParseInt(n, 10, 64)
	if !ok || err != nil || after < 0 {
		return 0, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	return after, nil
}
