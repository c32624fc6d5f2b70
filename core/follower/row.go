// SPDX-License-Identifier: Apache-2.0

package follower

import "parley.chat/protocol/id"

// Ref names a conversation, in the store and to others.
type Ref struct {
	Shard id.Shard
	Conv  int64
	ID    id.Conversation
}

// None is no seq: the position of a server without a replica.
const None = -1

// Row is what the store knows of one server that follows one conversation, from when it has a member to when it has none. One whose
// last member parted and that got a member again has two rows until it has everything of the first.
type Row struct {
	Ref
	Server   id.Server
	Since    int64  // seq of the entry by which it got a member when it had none
	Until    int64  // … by which it had none again; None while it has one
	Acked    int64  // highest seq it is known to have, None without a replica
	Parked   string // why nothing is sent, a code; empty if it is
	ParkedAt int64  // Unix milliseconds
	Head     int64  // seq of the conversation's head, as stored
	State    int64  // seq of the last change of its state when the row was read
}

// Page selects rows of a shard after one, in order of conversation, server and Since.
type Page struct {
	After  Row       // its Conv, Server and Since
	Server id.Server // of this one only, unless empty
	Limit  int
}

// Destination is a server that could not be reached, or that the operator wants to be tried.
type Destination struct {
	Server       id.Server
	FailingSince int64 // Unix milliseconds, as the other times; 0 if it does not fail
	Failures     int   // in a row
	NextTry      int64
	LastError    string
}

// Summary is what the operator sees of a server that follows conversations or fails.
type Summary struct {
	Destination
	Conversations int // that it follows
	Behind        int // of these, those of which it is not known to have everything
	Parked        int // of these, those that it refuses
}
