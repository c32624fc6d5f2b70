// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Committed is a committed event on its way out, with the state after it. Within a shard they go out in order of pos.
type Committed struct {
	Event  *Event
	State  *State
	Origin string // session that gets message_ack instead, "" if none

	Withheld []id.User // members who do not get it; nil for nearly all events
	Unseen   []id.User // members who are told of an edit without its content; nil for nearly all events
	Knock    bool      // those are told that somebody asks for a conversation
}

// Receipt is one pointer of one member after it moved and became durable.
type Receipt struct {
	Shard          id.Shard
	Mark           int64
	ConversationID id.Conversation
	User           id.User
	Status         string // delivered, read
	Seq            int64
	MessageID      id.Message
	To             []id.User
	Prefs          *frame.Prefs         // instead of a pointer: the member's own settings changed
	Many           []frame.MovedPointer // instead of User and Status: several pointers; Seq is the highest
}

// Erased are messages of one conversation that expired, or whose author's account is erased: their content is gone.
type Erased struct {
	ConversationID id.Conversation
	Messages       []id.Message
	At             int64   // hub time
	By             id.User // the author who erases them; empty if they expired
	To             []id.User
}
