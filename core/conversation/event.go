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
	Expects        *int64 // what the author's server signed of a state change: the seq of the state it was judged by
	Salt           [event.SaltSize]byte
	Hash           event.Hash
	Content        []byte     // canonical JSON, nil once erased
	ContentHash    event.Hash // of erased content, else zero: it stands for salt and content in the chain
	ExpiresAt      int64      // hub time from which the content may not be shown, 0 if never; not part of the chain
	Facts          *Facts     // nil if nothing happened to the message since, or was not looked up
}

// Facts are what later events did to a message. They are derived from the log, and immutable.
type Facts struct {
	ChangedSeq int64 // newest event that is in here
	Edits      int
	Edited     []byte // content of the newest edit; nil if there is none, or once erased
	EditedAt   int64  // hub time
	DeletedAt  int64  // hub time, 0 if not deleted
	DeletedBy  id.User
	Reactions  []frame.Reaction // as the reader sees them who asked
}

// Reactor is who put an emoji on a message.
type Reactor struct {
	Emoji    string
	User     id.User
	AddedSeq int64 // of the event
	At       int64 // its hub time
}

// Expired tells whether the content may not be shown any more.
func (e *Event) Expired(now int64) bool { return e.ExpiresAt != 0 && e.ExpiresAt <= now }

// Erase is e without its content and what is known of it. e stays as it is.
func (e *Event) Erase() *Event {
	out := *e
	if e.Content != nil {
		out.ContentHash = event.ContentHash(e.Salt, e.Content)
	}
	out.Salt, out.Content = [event.SaltSize]byte{}, nil
	if e.Facts != nil {
		out.Facts = &Facts{ChangedSeq: e.Facts.ChangedSeq, DeletedAt: e.Facts.DeletedAt, DeletedBy: e.Facts.DeletedBy}
	}
	return &out
}

// HiddenFrom tells whether a reader who may read from a seq on must not see the content: an edit of a message before that.
// spec: MSG-EDIT-7
func (e *Event) HiddenFrom(from int64) bool {
	if e.Type != frame.TypeEdit || e.Content == nil || from == 0 {
		return false
	}
	edit, err := event.ParseRelation(e.Content)
	if err != nil {
		return true
	}
	m, err := id.ParseMessage(edit.TargetMessageID)
	return err != nil || m.Seq() < from
}

// contentHash is the hash of the content, which it outlives.
func (e *Event) contentHash() event.Hash {
	if e.Content == nil && e.ContentHash != (event.Hash{}) {
		return e.ContentHash
	}
	return event.ContentHash(e.Salt, e.Content)
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
