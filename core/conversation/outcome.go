// SPDX-License-Identifier: Apache-2.0

package conversation

import "parley.chat/protocol/id"

// Committed is a committed event on its way out, with the state after it. Within a shard they go out in order of pos.
type Committed struct {
	Event  *Event
	State  *State
	Origin string // session that gets message_ack instead, "" if none
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
}
