// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// parseMessage reads the message a path names.
func parseMessage(messageID string) (id.Message, error) {
	m, err := id.ParseMessage(messageID)
	if err != nil {
		return m, fault.New(fault.UnknownMessage, "no such message").Because(err)
	}
	return m, nil
}

// Receipts answers who got a message, of those who were joined then, as far as the caller may see. Faults:
// unknown_conversation, unknown_message, invalid_cursor. spec: RECEIPT-LIST-1
func (o *Conversations) Receipts(ctx context.Context, c Caller, conversationID, messageID, cursor string, limit int) (rest.MessageReceipts, error) {
	out := rest.MessageReceipts{MessageID: messageID, Receipts: []rest.MessageReceipt{}}
	v, err := o.visible(ctx, c, conversationID)
	if err != nil {
		return out, err
	}
	m, err := parseMessage(messageID)
	if err != nil {
		return out, err
	}
	if _, err := id.ParseUser(cursor); cursor != "" && err != nil {
		return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	e, err := o.Timeline.Ref(ctx, v.State.ID, c.User, m)
	if err != nil {
		return out, err
	}
	pointers, err := o.Timeline.Pointers(ctx, v.State.ID)
	if err != nil {
		return out, err
	}
	users := present(v, m.Seq(), e.Sender)
	if err := o.Feed.Seen(ctx, v, c.User, pointers, users); err != nil {
		return out, err
	}
	out.MessageID, out.MemberCount = m.String(), len(users)
	for _, u := range users {
		one := rest.MessageReceipt{UserID: string(u), Status: reached(pointers[u], m.Seq())}
		if one.Status != "sent" {
			out.DeliveredCount++
		}
		if one.Status == "read" {
			out.ReadCount++
		}
		switch {
		case string(u) <= cursor || out.HasMore:
		case len(out.Receipts) == limit:
			out.HasMore, out.NextCursor = true, out.Receipts[limit-1].UserID
		default:
			out.Receipts = append(out.Receipts, one)
		}
	}
	return out, nil
}

// present lists who was joined at seq, in order, one aside.
func present(v timeline.View, seq int64, but id.User) []id.User {
	var out []id.User
	for u, m := range v.State.Members {
		if u != but && m.JoinedSeq <= seq && (m.Membership == conversation.Joined || m.LeftSeq >= seq) {
			out = append(out, u)
		}
	}
	slices.Sort(out)
	return out
}

// reached is the status of an entry for who has the pointer. What was withheld never was delivered.
func reached(p timeline.Pointer, seq int64) string {
	switch {
	case p.Prefs.Blocks(seq):
		return "sent"
	case p.Read >= seq:
		return "read"
	case p.Delivered >= seq:
		return "delivered"
	}
	return "sent"
}
