// SPDX-License-Identifier: Apache-2.0

package frame

import "strconv"

// Reasons of MessageDeleted.
const (
	ReasonDeleted = "deleted"
	ReasonExpired = "expired"
	ReasonForMe   = "for_me"
	ReasonErased  = "erased" // with the account of the sender
)

// Actions of a reaction.
const (
	ActionAdd    = "add"
	ActionRemove = "remove"
)

// MentionAll stands in Mentions for every member.
const MentionAll = "all"

// Edited is the data of message_edited: the message has another content.
type Edited struct {
	ConversationID string   `json:"conversationId"`
	MessageID      string   `json:"messageId"` // of the message that changed
	SenderID       string   `json:"senderId"`
	Timestamp      int64    `json:"timestamp"`         // of the edit
	Content        string   `json:"content,omitempty"` // absent for those who may not read the message
	ContentType    string   `json:"contentType,omitempty"`
	Mentions       []string `json:"mentions,omitempty"`
	EditedAt       int64    `json:"editedAt"`
	Event          *Event   `json:"event"` // the entry of the log
}

// Deleted is the data of message_deleted: the content of messages is gone. Only a deletion has an Event.
type Deleted struct {
	ConversationID string   `json:"conversationId"`
	MessageID      string   `json:"messageId"`
	MessageIDs     []string `json:"messageIds,omitempty"` // if several went at once: all of them
	SenderID       string   `json:"senderId,omitempty"`   // who deleted it
	Timestamp      int64    `json:"timestamp"`
	Reason         string   `json:"reason"` // deleted, expired, for_me, erased
	Event          *Event   `json:"event,omitempty"`
}

// Reacted is the data of message_reaction: an emoji came or went.
type Reacted struct {
	ConversationID string `json:"conversationId"`
	MessageID      string `json:"messageId"`
	SenderID       string `json:"senderId"`
	Timestamp      int64  `json:"timestamp"`
	Emoji          string `json:"emoji"`
	Action         string `json:"action"` // add, remove
	Event          *Event `json:"event"`
}

// isRelated tells whether any of the fields is set that a plain message lacks.
func (e *Event) isRelated() bool {
	return e.Emoji != "" || e.Action != "" || len(e.Mentions) > 0 || e.IsForwarded || e.ExpiresAt != 0 ||
		e.EditedAt != 0 || e.DeletedAt != 0 || e.DeletedBy != "" || e.ChangedSeq != 0 || len(e.Reactions) > 0
}

func appendRelated(buf []byte, e *Event) []byte {
	buf = appendOptional(buf, `,"emoji":`, e.Emoji)
	buf = appendOptional(buf, `,"action":`, e.Action)
	if len(e.Mentions) > 0 {
		buf = appendStrings(append(buf, `,"mentions":`...), e.Mentions)
	}
	if e.IsForwarded {
		buf = append(buf, `,"isForwarded":true`...)
	}
	buf = appendNumber(buf, `,"expiresAt":`, e.ExpiresAt)
	buf = appendNumber(buf, `,"editedAt":`, e.EditedAt)
	buf = appendNumber(buf, `,"deletedAt":`, e.DeletedAt)
	buf = appendOptional(buf, `,"deletedBy":`, e.DeletedBy)
	buf = appendNumber(buf, `,"changedSeq":`, e.ChangedSeq)
	if len(e.Reactions) == 0 {
		return buf
	}
	buf = append(buf, `,"reactions":[`...)
	for i, r := range e.Reactions {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(append(buf, `{"emoji":`...), r.Emoji)
		buf = strconv.AppendInt(append(buf, `,"count":`...), r.Count, 10)
		buf = appendStrings(append(buf, `,"userIds":`...), r.UserIDs)
		buf = strconv.AppendBool(append(buf, `,"isOwn":`...), r.IsOwn)
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

func appendNumber(buf []byte, key string, n int64) []byte {
	if n == 0 {
		return buf
	}
	return strconv.AppendInt(append(buf, key...), n, 10)
}

func appendStrings(buf []byte, list []string) []byte {
	if list == nil {
		return append(buf, `null`...)
	}
	buf = append(buf, '[')
	for i, s := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(buf, s)
	}
	return append(buf, ']')
}
