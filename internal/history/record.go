// SPDX-License-Identifier: Apache-2.0

package history

// Op says what a Record records.
type Op string

// The operations of a history. The first five belong to sends. A Fail after Accepted ends the send: its server told that it will have no place.
const (
	Invoke   Op = "invoke"   // The send is about to leave the client.
	OK       Op = "ok"       // The send was acknowledged with Seq and MessageID.
	Accepted Op = "accepted" // The send is durable at the sender's server, and has no place yet.
	Fail     Op = "fail"     // This attempt was certainly not done.
	Unknown  Op = "unknown"  // This attempt may have been done.
	Received Op = "received" // An entry reached a device.
	Read     Op = "read"     // A page of history was asked for and came.
	Join     Op = "join"     // Seq is the first entry the device may see.
	Leave    Op = "leave"    // Seq is the last entry the device may see.
	Quiet    Op = "quiet"    // A quiet period ended.
)

// Source says by which way an entry reached a device.
type Source string

// The ways an entry can take. Live and Sync must bring new entries in ascending order. Pages of history may come from
// the newest backwards, and the acknowledgement of an own send may overtake what lies below it; record the latter as a
// reception only if the server does not deliver a device's own messages to it.
const (
	Live Source = "live"
	Sync Source = "sync"
	Page Source = "history"
	Ack  Source = "ack"
)

// Record is one line of a history: one thing one device did or saw. Which fields have a meaning depends on Op.
// Times are nanoseconds of the machine's monotonic clock.
type Record struct {
	Op           Op     `json:"op"`
	At           int64  `json:"at"`
	InvokedAt    int64  `json:"invokedAt,omitempty"`
	Device       string `json:"device,omitempty"`
	User         string `json:"user,omitempty"`
	Conversation string `json:"conversation,omitempty"`
	TempID       string `json:"tempId,omitempty"`
	MessageID    string `json:"messageId,omitempty"`
	Sender       string `json:"sender,omitempty"`
	Source       Source `json:"source,omitempty"`
	Seq          int64  `json:"seq,omitempty"`
	From         int64  `json:"from,omitempty"`
	To           int64  `json:"to,omitempty"`
	Head         int64  `json:"head,omitempty"`
}

// History is what was recorded. Records of one device are in the order in which the device saw them.
type History []Record

// Send names one message by the client's own words: retries of it carry the same Device, Conversation and TempID.
type Send struct {
	Device, User, Conversation, TempID string
}

// Reader is one device following one conversation.
type Reader struct {
	Device, User, Conversation string
}

// Reception is one entry that reached a reader, duplicates included. Sender is the sending user and TempID the
// sender's; either may be empty if the server did not tell. At zero means now.
type Reception struct {
	Reader
	Source    Source
	Seq       int64
	MessageID string
	TempID    string
	Sender    string
	At        int64
}

// Reading is one page of history: the entries From to To, both included, and the Head the server stated with it.
// An empty page has To below From; an empty log has Head -1. ReturnedAt zero means now.
type Reading struct {
	Reader
	From, To, Head        int64
	InvokedAt, ReturnedAt int64
}

// Entry is one entry of the final log of a conversation. Entries that no client sent as a message (the create event,
// member changes) have no TempID; a Countable entry without a TempID counts as a ghost. Device is the sending one.
type Entry struct {
	Seq       int64  `json:"seq"`
	MessageID string `json:"messageId"`
	TempID    string `json:"tempId,omitempty"`
	Device    string `json:"device,omitempty"`
	Kind      string `json:"kind"`
	Countable bool   `json:"countable,omitempty"`
	Hash      string `json:"hash,omitempty"`    // For Same: of the entry.
	Content   string `json:"content,omitempty"` // For Same: what stands for its content.
}
