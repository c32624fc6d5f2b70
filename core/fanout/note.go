// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Node names a process of the homeserver.
type Node string

// Committed is one committed event as core/timeline hands it out, in order of pos within a shard.
type Committed = conversation.Committed

// Receipt is a pointer of one member after a flush.
type Receipt = conversation.Receipt

// Passing is a frame of the moment for the sessions of users: typing, presence, a change of one's own account.
type Passing struct {
	Frame  *Frame
	To     []id.User
	Except string    // id of the session that does not get it, "" if all do
	Only   []string  // ids of the only sessions that get it, sorted; nil if all do
	Device id.Device // the only device that gets it, "" if all do

	Version int64 // of the one receiver's account data after the change that the frame tells, 0 if it tells none
}

// Note is what a node gets: a frame, its place and its receivers. It is immutable and shared by all receivers. Without a Pos,
// a Mark and a Version the frame is of the moment and has no place.
type Note struct {
	Shard          id.Shard
	Pos            int64 // of events, above 0
	Mark           int64 // of receipts, above 0
	Version        int64 // of account data, above 0; the note has no other place then
	ConversationID id.Conversation
	Seq            int64
	Frame          *Frame
	Users          []id.User // receivers on the node of a Packet; nil in a note that crossed no link
	Except         string    // id of the session that does not get it, "" if all do
	Only           []string  // ids of the only sessions that get it, sorted; nil if all do
	Device         id.Device // the only device that gets it, "" if all do
}

// isForAll tells whether every session of its users gets the note.
func (n *Note) isForAll() bool { return n.Except == "" && n.Only == nil && n.Device == "" }

// reaches tells whether a session of one of its users gets the note.
func (n *Note) reaches(s Session) bool {
	if n.Only != nil {
		if _, ok := slices.BinarySearch(n.Only, s.ID()); !ok {
			return false
		}
	}
	return (n.Except == "" || n.Except != s.ID()) && (n.Device == "" || n.Device == s.Device())
}

// Packet is what travels on a link. Seq numbers the packets of (From, Run, To) from 1. A packet without notes is a tick:
// it has no number of its own and repeats that of the last packet, 0 if there was none.
type Packet struct {
	From  Node
	Run   string // fresh for each start of the process
	Seq   uint64
	Notes []*Note
}

// Bus carries packets between nodes. Packets are immutable: the sender does not touch them after Send.
type Bus interface {
	// Send hands a packet over. It may be lost, doubled or overtaken, whatever Send returns; Send never blocks for long.
	Send(ctx context.Context, to Node, p *Packet) error
	// Receive sets the function that gets incoming packets, once and before use. The function does not block, and may be
	// called concurrently for different senders.
	Receive(func(*Packet))
}

// Placement tells where the sessions of users are.
type Placement interface {
	// NodeOf is the node of the user's sessions, "" if no node of this homeserver can have any. It is called once for
	// each receiver of each event: it must be fast, and safe for concurrent use.
	NodeOf(id.User) Node
}

// Session is a live receiver. Deliver, Lost and Revoke never block and may be called from any goroutine, also shortly
// after Unregister. Deliver is called in order of pos for each shard, except that after Lost notes may come which the
// log gave already: a session drops those at or below the position it has.
type Session interface {
	ID() string // unique on the node for the life of the process
	User() id.User
	Device() id.Device
	Deliver(*Note)
	// Lost says that notes may be missing: catch up from the log, as of now.
	Lost()
	// Revoke ends the session now: the device was removed, or the account deactivated.
	Revoke(code fault.Code)
}
