// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// Store is the durable side. Every error but ErrStale and ErrNoConversation means "in doubt".
type Store interface {
	// Shards is the number of logical shards; Groups lists those of each database.
	Shards() int
	Groups() [][]id.Shard
	// Acquire takes or takes over the leases that are free, expired or already node's, raising their epochs. Shards held
	// by another node are left out of the answer.
	Acquire(ctx context.Context, node string, shards []id.Shard, ttl time.Duration) ([]Lease, error)
	// Renew prolongs leases; it fails with ErrStale if any was lost.
	Renew(ctx context.Context, node string, leases []Lease, ttl time.Duration) error
	// Release lets node's leases go, so that another node can take them at once.
	Release(ctx context.Context, node string) error
	// Commit writes the batch in one transaction, or nothing. ErrStale if an epoch or pos is not the expected one.
	Commit(ctx context.Context, b *Batch) error
	// IndexMembers writes the per-user index of shards that are not in the batch's database. It is idempotent.
	IndexMembers(ctx context.Context, rows []IndexRow) error
	// LoadConversation reads a conversation with its members, its head as committed, and the tempIds since a time: all
	// that were not hot, of which there are about limit at most, and of the hot ones the newest at least.
	// ErrNoConversation if there is none.
	LoadConversation(ctx context.Context, n id.Shard, c id.Conversation, since int64, limit int) (*Loaded, error)
	// Unflushed names the conversations with events in (flushedPos, pos].
	Unflushed(ctx context.Context, l Lease) ([]id.Conversation, error)
	// FindHot looks for a hot event of the conversation by dedup key, newer than since.
	FindHot(ctx context.Context, n id.Shard, conv, dedup, since int64) (*conversation.Event, error)
	// Target reads a message as an event of u about it finds it; nil if there is no such seq.
	Target(ctx context.Context, n id.Shard, conv, seq int64, u id.User) (*Target, error)
	// Expired lists up to limit events with content that expire, the first to expire first, and not only those that did.
	Expired(ctx context.Context, n id.Shard, limit int) ([]Expiring, error)
	// Written lists the messages of an author in a conversation that have content, with seq > after, in order of seq; of an
	// Expiring it fills in what is not about expiring.
	Written(ctx context.Context, n id.Shard, conv int64, author id.User, after int64, limit int) ([]Expiring, error)
	// Events reads a range of a conversation's events, messages with their Facts.
	Events(ctx context.Context, n id.Shard, conv int64, r Range) ([]*conversation.Event, error)
	// EnsurePartitions makes room for events beyond pos.
	EnsurePartitions(ctx context.Context, n id.Shard, pos int64) error
}

// ErrStale says that another owner wrote: the lease is lost.
var ErrStale = errors.New("timeline: stale owner")

// ErrOutdated says that a command's Still was false.
var ErrOutdated = errors.New("timeline: outdated command")

// ErrNoConversation says that the conversation does not exist.
var ErrNoConversation = errors.New("timeline: no such conversation")

// Range selects events with From <= seq <= To and pos > AfterPos, at most Limit of them, from the low end, or from the high
// end if Newest. The answer is always in order of seq.
type Range struct {
	From, To int64
	AfterPos int64
	Limit    int
	Bytes    int // what the events may take together with their edits and reactions, about; one event at least; 0: no bound
	Newest   bool
	Reader   id.User // with the reactions as the reader sees them, unless empty
	AsOf     int64   // for the Reader: no edit or reaction after this seq; 0 for all
	Withheld []Span  // for the Reader: no edit or reaction of others within
}

// Target is a message with what events about it are judged by.
type Target struct {
	*conversation.Event
	Emojis map[string]int  // reactions: by how many users each
	Own    map[string]bool // those of the user who asks
}

// ReactorRange selects reactions to a message that were added after a seq: with the emoji, or any if it is empty.
type ReactorRange struct {
	Emoji    string
	AfterSeq int64
	Limit    int
}

// Expiring is an event that expires: a message or an edit of one.
type Expiring struct {
	ConversationID id.Conversation
	Conv           int64
	Seq            int64
	Message        id.Message
	Type           string
	ExpiresAt      int64
	Edit           []byte // content of an edit
}

// Lease is the right to write a shard, and the shard's log as found when it was taken.
type Lease struct {
	Shard   id.Shard
	Epoch   int64
	Pos     int64
	Flushed int64
	Mark    int64
}

// Loaded is a conversation as read from the store.
type Loaded struct {
	Conv     int64
	Base     int64 // first seq from which on nothing is missing
	State    *conversation.State
	Head     conversation.Head
	Last     *conversation.Event // newest countable event, nil if none
	Mark     int64
	Pointers map[id.User]Pointer
	Window   []Seen // oldest first
	Recent   []Ref  // oldest first, the newest few, without a hole
	Dirty    bool   // the stored head is behind Head
}

// Pointer is how far a member got. -1 is before the first.
type Pointer struct {
	Delivered int64
	Read      int64
	ReadCount int64 // count of the entry at Read
	Mentioned int64 // no message after this seq mentions the member; derived, never written

	Prefs *Prefs // nil for those who want nothing particular

	// Stamps of when the pointers, the delivered one, and the prefs were last told.
	Mark, DeliveredMark, PrefsMark int64
}

// Seen is a tempId that was used.
type Seen struct {
	Key     int64 // dedup key
	Content uint64
	Seq     int64
	Message id.Message
	Hot     bool
}

// Ref is a recent entry, enough to check a message id and to find its author.
type Ref struct {
	Seq     int64
	Count   int64
	Message id.Message
	Sender  id.User
}

// Batch is one transaction. Events are in order of pos within each shard.
type Batch struct {
	Advance []Advance
	Events  []*Row
	Heads   []HeadRow  // written before States
	States  []StateRow // conversations created or changed
	Members []MemberRow
	Index   []IndexRow // of shards in the same database
	Points  []PointRow
	Prefs   []PrefsRow

	Followers []FollowerRow

	Relations []RelationRow // written after Events, in this order
	Mentions  []MentionRow
	Origins   []OriginRow
	Settled   []SettledRow
	Erase     []EraseRow // erased last
}

// RelationRow is what an event did to a message.
type RelationRow struct {
	Shard  id.Shard
	Conv   int64
	Target int64 // seq of the message
	Seq    int64 // of the event
	Type   string
	User   id.User
	At     int64 // hub time
	Emoji  string
	Action string
}

// MentionRow is whom the message at Seq mentions, user ids or all; with Replace in place of whom it did.
type MentionRow struct {
	Shard   id.Shard
	Conv    int64
	Seq     int64
	Users   []string
	Replace bool
}

// EraseRow is a message to erase: its content and that of its edits, and whatever is derived of them.
type EraseRow struct {
	Shard id.Shard
	Conv  int64
	Seq   int64
}

// Advance moves a shard's log forward; it also proves the lease.
type Advance struct {
	Shard         id.Shard
	Epoch         int64
	PrevPos       int64
	Pos           int64
	Flushed, Mark int64 // -1 to leave as they are
}

// Row is an event to insert.
type Row struct {
	*conversation.Event
	Dedup int64
	Hot   bool
}

// HeadRow flushes a conversation's head as committed by earlier batches.
type HeadRow struct {
	Shard id.Shard
	Conv  int64
	Head  conversation.Head
	Mark  int64
}

// StateRow is a conversation's row after a state change; Created is set when the row is new.
type StateRow struct {
	Shard   id.Shard
	Conv    int64
	ID      id.Conversation
	Created []byte
	Name    string
	Info    []byte // canonical
	StateAt int64
	Time    int64 // hub time of the create event
	Head    conversation.Head
	Begins  bool  // a replica begins, or begins again, at Base
	Base    int64 // 0 to leave
}

// MemberRow is a membership to write; pointers start anew, at Start, when a member joins.
type MemberRow struct {
	Shard id.Shard
	Conv  int64
	User  id.User
	conversation.Member
	Start     int64  // JoinedSeq, or later where the log is not held from there
	ReadCount int64  // count at Start
	Prefs     *Prefs // nil to leave
}

// FollowerRow is a server that begins to follow a conversation ordered here, because by the entry at Seq it has a member and had
// none, or that ends to, because it had one and has none.
type FollowerRow struct {
	Shard  id.Shard
	Conv   int64
	Server id.Server
	Seq    int64
	Ends   bool
}

// IndexRow is a row of a user's index.
type IndexRow struct {
	User         id.User
	Conversation id.Conversation
	Membership   string
	ChangedPos   int64
	ChangedAt    int64 // hub time of the change
}

// PrefsRow is a member's prefs to write.
type PrefsRow struct {
	Shard id.Shard
	Conv  int64
	User  id.User
	Prefs *Prefs
	Mark  int64
}

// PointRow is a member's pointers to write.
type PointRow struct {
	Shard id.Shard
	Conv  int64
	User  id.User
	Pointer
	Mark          int64 // 0 to leave
	ToldDelivered bool  // the mark is also that of the delivered pointer
}
