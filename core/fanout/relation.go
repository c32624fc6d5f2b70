// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"encoding/json"
	"fmt"

	"parley.chat/core/conversation"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// encodeRelation tells of an edit, a reaction or a deletion, by the message that it is about.
func (f *Fanout) encodeRelation(e *frame.Event) (*Frame, error) {
	typ, data := frame.MessageDeleted, any(frame.Deleted{
		ConversationID: e.ConversationID, MessageID: e.TargetMessageID, SenderID: e.SenderID, Timestamp: e.Timestamp,
		Reason: frame.ReasonDeleted, Event: e,
	})
	switch e.Type {
	case frame.TypeEdit:
		typ, data = frame.MessageEdited, frame.Edited{
			ConversationID: e.ConversationID, MessageID: e.TargetMessageID, SenderID: e.SenderID, Timestamp: e.Timestamp,
			Content: e.Content, ContentType: e.ContentType, Mentions: e.Mentions, EditedAt: e.Timestamp, Event: e,
		}
	case frame.TypeReaction:
		typ, data = frame.MessageReaction, frame.Reacted{
			ConversationID: e.ConversationID, MessageID: e.TargetMessageID, SenderID: e.SenderID, Timestamp: e.Timestamp,
			Emoji: e.Emoji, Action: e.Action, Event: e,
		}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", typ, err)
	}
	f.out.data = append(f.out.data[:0], raw...)
	return f.frame(typ), nil
}

// editUnseen tells of an edit, without its content, those who may not read the message: their log has no hole.
func (f *Fanout) editUnseen(ctx context.Context, c *Committed, users []id.User) {
	e := c.Event
	for _, u := range users {
		f.address(u, c.Origin)
	}
	f.deliver(ctx, Note{Shard: e.Shard, Pos: e.Pos, ConversationID: e.ConversationID, Seq: e.Seq, Except: c.Origin}, func() (*Frame, error) {
		whole, err := e.Record()
		if err != nil {
			return nil, err
		}
		record, err := e.Erase().Record()
		if err != nil {
			return nil, err
		}
		return f.encode(frame.MessageEdited, frame.Edited{
			ConversationID: record.ConversationID, MessageID: whole.TargetMessageID, SenderID: record.SenderID, Timestamp: record.Timestamp,
			EditedAt: record.Timestamp, Event: &record,
		})
	})
}

// encodeErased tells of messages that expired.
func encodeErased(e conversation.Erased) (Passing, error) {
	data := frame.Deleted{
		ConversationID: string(e.ConversationID), MessageID: e.Messages[0].String(), Timestamp: e.At, Reason: frame.ReasonExpired,
	}
	if e.By != "" {
		data.Reason, data.SenderID = frame.ReasonErased, string(e.By)
	}
	if len(e.Messages) > 1 {
		for _, m := range e.Messages {
			data.MessageIDs = append(data.MessageIDs, m.String())
		}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return Passing{}, fmt.Errorf("encode expired messages: %w", err)
	}
	return Passing{Frame: NewFrame(frame.MessageDeleted, frame.AppendFrame(nil, frame.MessageDeleted, raw)), To: e.To}, nil
}
