// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// Log is what the feed reads from the store. Every error means that the database is away.
type Log interface {
	// UserIndex lists the conversations of a user, past ones too.
	UserIndex(ctx context.Context, u id.User) ([]Membership, error)
	// Heads reads the flushed heads of conversations in shard n; unknown ones are left out.
	Heads(ctx context.Context, n id.Shard, convs []id.Conversation) (map[id.Conversation]Head, error)
	// Events reads a range of a conversation; their ConversationID is left empty.
	Events(ctx context.Context, n id.Shard, conv int64, r timeline.Range) ([]*conversation.Event, error)
	// SeqAt finds the last seq of the conversation at or before pos; low is at or before it, high after it.
	SeqAt(ctx context.Context, n id.Shard, conv, pos, low, high int64) (int64, error)
	// Mentions counts the messages after a seq that mention u, or all, but for those within spans.
	Mentions(ctx context.Context, n id.Shard, conv int64, u id.User, after int64, but []timeline.Span) (int64, error)
	// Edits lists the edits of the message at seq that the range selects, oldest first; those that are erased have no content.
	// Those past Bytes are left out but for the first of them, which tells that there are more.
	Edits(ctx context.Context, n id.Shard, conv, seq int64, r timeline.Range) ([]*conversation.Event, error)
	// Reactors lists who put which emoji on the message at seq, in the order of the events.
	Reactors(ctx context.Context, n id.Shard, conv, seq int64, r timeline.ReactorRange) ([]conversation.Reactor, error)
}

// Membership is one item of a user's index.
type Membership struct {
	ID         id.Conversation
	Membership string
	ChangedPos int64 // pos in the conversation's shard at which it became so
	ChangedAt  int64 // hub time of that
}

// Head is a conversation's flushed head.
type Head struct {
	Pos, Time, Mark int64
}

// Owner is what the feed asks of the shards' owner: the committed truth in memory.
type Owner interface {
	Position(n id.Shard) (timeline.Position, error)
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
	Epoch(n id.Shard) (int64, error)
	// Recent lists what moved past since, if memory reaches back so far.
	Recent(n id.Shard, since timeline.Position, limit int) (moved []timeline.View, ok bool)
	Heads(n id.Shard, convs []id.Conversation, f func(int, timeline.View)) (epoch int64)
	Pointers(ctx context.Context, c id.Conversation) (map[id.User]timeline.Pointer, error)
}

// Options configure a Feed.
type Options struct {
	Log    Log
	Owner  Owner
	Shards int
	Realm  []byte           // names the deployment in cursors
	Clock  func() time.Time // time.Now if nil
	// Channels tells of subscriptions; nil: there are none.
	Channels Channels
	People   People // nil: nobody has account data or hides anything
}

// Feed answers what moved.
type Feed struct{ Options }

// New makes a Feed.
func New(o Options) *Feed {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Feed{o}
}

// Sizes of one page. pageBytes leaves room in a frame of 256 KiB for one conversation more, with the largest event twice.
const (
	pageConversations = 50
	pageEvents        = 200
	pageBytes         = 96 << 10
	newestEvents      = 20  // of one conversation; the rest is a gap
	recordBytes       = 400 // of a record beside its content
)

// Encode makes the opaque form of a cursor for the user.
func (f *Feed) Encode(c Cursor, u id.User) string { return c.encode(f.Realm, u) }

// Decode reads a user's cursor. The empty string is the beginning; what was not made here for the user is InvalidCursor.
func (f *Feed) Decode(s string, u id.User) (Cursor, error) {
	return decodeCursor(s, f.Realm, u, f.Shards)
}
