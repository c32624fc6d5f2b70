// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"encoding/json"
	"fmt"

	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
)

// statusSent is the status of every committed event; the later ones follow from members' pointers.
const statusSent = "sent"

// Record is the event as clients see it, with status `sent`. Of an erased event the content fields are empty. It fails
// only if the content is not what the log may hold.
func (e *Event) Record() (frame.Event, error) {
	out := frame.Event{
		ConversationID: string(e.ConversationID),
		Seq:            e.Seq,
		MessageID:      e.MessageID.String(),
		Type:           e.Type,
		SenderID:       string(e.Sender),
		DeviceID:       string(e.Device),
		TempID:         e.TempID,
		Timestamp:      e.HubTime,
		Status:         statusSent,
	}
	if e.Content == nil {
		return out, nil
	}
	fill := fillChange
	if e.Type == frame.TypeMessage {
		fill = fillMessage
	}
	if err := fill(&out, e.Content); err != nil {
		return frame.Event{}, fmt.Errorf("record of %s seq %d: %w", e.ConversationID, e.Seq, err)
	}
	return out, nil
}

func fillMessage(out *frame.Event, content []byte) error {
	var m frame.Send
	if err := json.Unmarshal(content, &m); err != nil {
		return err
	}
	out.Content, out.ContentType, out.MediaURL = m.Content, m.ContentType, m.MediaURL
	out.ReplyToMessageID, out.EncryptedContent = m.ReplyToMessageID, m.EncryptedContent
	return nil
}

func fillChange(out *frame.Event, content []byte) error {
	c, err := event.ParseChange(out.Type, content)
	if err != nil {
		return err
	}
	if out.Type == frame.TypeMemberAdd {
		c.Role = Simple // Whatever the log says: the fold joins new members with this role.
	}
	out.Change = &c
	return nil
}
