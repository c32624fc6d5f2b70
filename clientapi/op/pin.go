// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Pin pins a message for everybody. Faults: invalid_field, unknown_conversation, not_member, unknown_message,
// insufficient_role, limit_reached.
func (o *Conversations) Pin(ctx context.Context, c Caller, conversationID, messageID string) error {
	v, m, err := o.pinnable(ctx, c, conversationID, messageID)
	if err != nil {
		return err
	}
	change := frame.Change{TargetMessageID: m.String()}
	content, err := event.ChangeContent(change)
	if err != nil {
		return err
	}
	_, err = o.append(ctx, c, v.State.ID, timeline.Command{
		Proposal: conversation.Proposal{Type: frame.TypePin, Change: change}, Content: content, About: m,
	})
	if errors.Is(err, conversation.ErrUnchanged) {
		return nil
	}
	return err
}

// Unpin takes a pin away. Faults: invalid_field, unknown_conversation, not_member, insufficient_role.
func (o *Conversations) Unpin(ctx context.Context, c Caller, conversationID, messageID string) error {
	v, m, err := o.pinnable(ctx, c, conversationID, messageID)
	if err != nil {
		return err
	}
	p := conversation.Proposal{Type: frame.TypeUnpin, Change: frame.Change{TargetMessageID: m.String()}}
	_, err = o.propose(ctx, c, v.State.ID, p)
	return err
}

func (o *Conversations) pinnable(ctx context.Context, c Caller, conversationID, messageID string) (timeline.View, id.Message, error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return v, id.Message{}, err
	}
	m, err := id.ParseMessage(messageID)
	if err != nil {
		return v, m, fault.Invalid("messageId", "is not a message id")
	}
	return v, m, nil
}

// Pins answers a page of the pinned messages, newest pin first; the cursor is the last message id of the page before. Deleted
// ones are left out, so a page may be shorter than the limit. Faults: unknown_conversation, not_member, invalid_cursor.
func (o *Conversations) Pins(ctx context.Context, c Caller, conversationID, cursor string, limit int) (rest.Messages, error) {
	out := rest.Messages{Messages: []frame.Event{}}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return out, err
	}
	pins := slices.Clone(v.State.Info.Pins)
	slices.Reverse(pins)
	if cursor != "" {
		at := slices.IndexFunc(pins, func(m id.Message) bool { return m.String() == cursor })
		if at < 0 {
			return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list, or no longer pinned")
		}
		pins = pins[at+1:]
	}
	if out.HasMore = len(pins) > limit; out.HasMore {
		pins = pins[:limit]
		out.NextCursor = pins[limit-1].String()
	}
	for i, m := range pins {
		if err := o.addPinned(ctx, c, v, m, &out); err != nil {
			return out, err
		}
		if i+1 < len(pins) && full(out.Messages) {
			out.HasMore, out.NextCursor = true, m.String()
			break
		}
	}
	return out, nil
}

// addPinned adds the pinned message if it is there and the caller may read it.
func (o *Conversations) addPinned(ctx context.Context, c Caller, v timeline.View, m id.Message, out *rest.Messages) error {
	events, err := o.pinned(ctx, c, v, []id.Message{m})
	if err != nil {
		return err
	}
	records, err := o.shown(ctx, c, v, events)
	for _, r := range records {
		if r.Content != "" || r.MediaURL != "" || r.EncryptedContent != "" { // Every message has one of them while it is shown.
			out.Messages = append(out.Messages, r)
		}
	}
	return err
}

// pinned reads the pinned messages that the caller may read and that are there.
func (o *Conversations) pinned(ctx context.Context, c Caller, v timeline.View, pins []id.Message) ([]*conversation.Event, error) {
	from, _, _ := v.State.Visible(c.User, v.Head.Seq)
	var out []*conversation.Event
	for _, m := range pins {
		if m.Seq() < from {
			continue
		}
		_, e, err := o.Timeline.Message(ctx, v.State.ID, c.User, m)
		if fault.Is(err, fault.UnknownMessage) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e.Content != nil {
			out = append(out, e)
		}
	}
	return out, nil
}
