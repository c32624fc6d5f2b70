// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Event is a committed entry together with its submission and its place in the shard's log.
type Event struct {
	Shard id.Shard
	Pos   int64 // position in the shard's log, dense
	Conv  int64 // pos of the conversation's create event: its number within the shard

	ConversationID id.Conversation
	Seq            int64
	Count          int64
	HubTime        int64 // Unix milliseconds
	AuthorTime     int64
	MessageID      id.Message
	Type           string
	Sender         id.User
	Device         id.Device
	TempID         string
	Salt           [event.SaltSize]byte
	Hash           event.Hash
	Content        []byte // canonical JSON, nil once erased
}

// Head is the newest entry of a conversation as the next one needs it. The zero Head is before seq 0: test Exists.
type Head struct {
	Exists bool
	Seq    int64
	Pos    int64
	Count  int64
	Time   int64 // hub time
	Hash   event.Hash
}

// HeadAt is the head a conversation has after e.
func HeadAt(e *Event) Head {
	return Head{Exists: true, Seq: e.Seq, Pos: e.Pos, Count: e.Count, Time: e.HubTime, Hash: e.Hash}
}

// Countable tells whether events of the type count as unread messages.
func Countable(typ string) bool { return typ == frame.TypeMessage }

// ChangesState tells whether events of the type change the state: all but messages and what is about one message.
func ChangesState(typ string) bool {
	switch typ {
	case frame.TypeMessage, frame.TypeEdit, frame.TypeReaction, frame.TypeDelete:
		return false
	}
	return true
}

// MovesPointers tells whether an event of the type moves its sender's own pointers to it. Who asks to join has none here, or
// those of an earlier membership.
func MovesPointers(typ string) bool { return typ != frame.TypeJoinRequest }
