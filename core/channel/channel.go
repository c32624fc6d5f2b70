// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// MaxSubscriptions bounds the channels one user subscribes to. spec: LIMIT-ERROR-1
const MaxSubscriptions = 1000

// Reader is one subscriber of one channel, or one who is kept out of it.
type Reader struct {
	User         id.User
	SinceSeq     int64 // head when the subscription began; the pointer starts there
	ReadSeq      int64
	ReadCount    int64 // count of the entry at ReadSeq
	SubscribedAt int64 // Unix milliseconds
	BannedAt     int64 // 0 if not banned
	Settings
}

// Settings are what a subscriber set for the channel.
type Settings struct {
	MutedUntil           int64 // Unix milliseconds, 0 if not muted
	IsPinned, IsArchived bool
}

// Place names a channel in the store.
type Place struct {
	Shard id.Shard
	Conv  int64
}

// Point is a read pointer to write.
type Point struct {
	Place
	User            id.User
	Read, ReadCount int64
}

// Views are Add more views of each entry from First to Last.
type Views struct {
	Place
	First, Last, Add int64
}

// Compare orders by place.
func (v Views) Compare(o Views) int {
	return cmp.Or(cmp.Compare(v.Shard, o.Shard), cmp.Compare(v.Conv, o.Conv), cmp.Compare(v.First, o.First))
}

// Store is the durable side. Every error means that the database is away.
type Store interface {
	// Subscriptions lists the channels of a user, limit at most.
	Subscriptions(ctx context.Context, u id.User, limit int) ([]id.Conversation, error)
	// Subscribe writes the row unless there is one, and answers the one there is. A ban stays, unless pardon lifts it. With a
	// subscription the user's index has the channel.
	Subscribe(ctx context.Context, p Place, c id.Conversation, r Reader, pardon bool) (Reader, error)
	// Unsubscribe removes the row, or makes it a ban as of bannedAt if that is not 0.
	Unsubscribe(ctx context.Context, p Place, c id.Conversation, u id.User, bannedAt int64) error
	// Readers reads the rows of u in some channels of a shard; those without one are left out.
	Readers(ctx context.Context, n id.Shard, convs []int64, u id.User) (map[int64]Reader, error)
	// Subscribers lists rows after a user id, in order: subscribers, or those who are banned.
	Subscribers(ctx context.Context, p Place, after id.User, banned bool, limit int) ([]Reader, error)
	// Count is the number of subscribers.
	Count(ctx context.Context, p Place) (int64, error)
	// Set writes the settings of a subscriber.
	Set(ctx context.Context, p Place, u id.User, s Settings) error
	// Views reads how often entries were read; those that never were are left out.
	Views(ctx context.Context, p Place, seqs []int64) (map[int64]int64, error)
	// Flush writes pointers and the views they made, those of one database in one transaction.
	Flush(ctx context.Context, points []Point, views []Views) error
}

// Owner is what is asked of the shards' owner.
type Owner interface {
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
	Epoch(n id.Shard) (int64, error)
}

// Options configure Channels.
type Options struct {
	Store  Store
	Owner  Owner
	Shards int
	Log    *slog.Logger

	Clock      func() time.Time // time.Now
	FlushEvery time.Duration    // pointers and views, 2 s
	HintEvery  time.Duration    // between two hints of one channel, 1 s
	MaxUsers   int              // whose subscriptions are kept in memory, 65,536, and those with live sessions
	MaxReaders int              // rows kept in memory, 65,536
}

// Channels is the part that keeps subscriptions. Make it with New; Run it once.
type Channels struct {
	Options
	live    live
	readers readers
	counts  counts
}

// New makes the part.
func New(o Options) *Channels {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	setDefault(&o.FlushEvery, 2*time.Second)
	setDefault(&o.HintEvery, time.Second)
	setDefault(&o.MaxUsers, 1<<16)
	setDefault(&o.MaxReaders, 1<<16)
	c := &Channels{Options: o}
	c.live.init(o.Shards)
	c.readers.init()
	c.counts.init()
	return c
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Run tells live sessions and flushes until ctx is done; then it flushes what is left.
func (c *Channels) Run(ctx context.Context) error {
	flush := time.NewTicker(c.FlushEvery)
	defer flush.Stop()
	hint := time.NewTimer(c.HintEvery)
	defer hint.Stop()
	for {
		select {
		case <-c.live.wake:
			hint.Reset(c.tell(ctx))
		case <-hint.C:
			hint.Reset(c.tell(ctx))
		case <-flush.C:
			c.flush(ctx)
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			c.flush(end)
			return nil
		}
	}
}

// lastWords bounds the flush at the end.
const lastWords = 3 * time.Second

func place(v timeline.View) Place { return Place{v.Shard, v.Conv} }

func (c *Channels) now() int64 { return c.Clock().UnixMilli() }

// IsChannel tells whether the view is one of a channel.
func IsChannel(v timeline.View) bool { return v.State != nil && v.State.Type() == event.Channel }

// isWriter tells whether u is a member of the log now: then there is nothing to subscribe to.
func isWriter(v timeline.View, u id.User) bool {
	m, ok := v.State.Member(u)
	return ok && m.Membership == conversation.Joined
}
