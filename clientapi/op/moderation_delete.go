// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// deleteMessages deletes what was reported, in the name of the server. What is gone already is as good as done. spec: ABUSE-MOD-4
func (m *Moderation) deleteMessages(ctx context.Context, r rest.Report, done *rest.ModerationAction) error {
	for _, e := range r.Proof.Entries {
		if e.Submission.Type == frame.TypeMessage && !slices.Contains(done.MessageIDs, e.Entry.MessageID) {
			done.MessageIDs = append(done.MessageIDs, e.Entry.MessageID)
		}
	}
	if len(done.MessageIDs) == 0 {
		return fault.Invalid("action", "the report is about no message")
	}
	conv, err := id.ParseConversation(r.ConversationID)
	if err != nil {
		return err
	}
	v, err := m.Conversations.Timeline.View(ctx, conv)
	if err != nil {
		return err
	}
	server := Caller{User: conversation.ServerUser(m.Conversations.Server), Device: id.NewDevice()}
	for _, message := range done.MessageIDs {
		_, err := m.Conversations.relate(ctx, server, v, conversation.Proposal{Type: frame.TypeDelete}, event.Relation{TargetMessageID: message}, "")
		if err != nil {
			return err
		}
	}
	return nil
}
