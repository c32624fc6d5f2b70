// SPDX-License-Identifier: Apache-2.0

package search

import (
	"context"
	"math"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

const minTime, maxTime = math.MinInt64, math.MaxInt64

// Bounds of one call. RowBudget are the messages it looks at.
const (
	RowBudget    = 10_000
	firstStretch = 256 // seqs read of a conversation at first, fewer if there are many conversations
	leastStretch = 4
	mostStretch  = 1024
	firstRound   = 8 // conversations read side by side at first
	mostRound    = 64
)

// Filter says what is searched for; zero fields mean anything.
type Filter struct {
	Sender      id.User
	ContentType string
	From, To    int64 // hub time: From <= t < To; To 0 is no bound
}

// Candidate is a conversation to be searched, and a time that no message the user may read there is newer than.
type Candidate struct {
	ID   id.Conversation
	Time int64
}

// Entrance asks where a conversation is entered: at its newest message not newer than AtMost.
type Entrance struct {
	ID     id.Conversation
	AtMost int64
}

// Entered is where that is. Conv 0 is a conversation that is not there; Seq -1 one without such a message.
type Entered struct {
	Conv, Seq, Time int64
}

// Stretch is a range of seq of a conversation, ends included.
type Stretch struct {
	Conv, From, To int64
}

// Found are the matches in a stretch, highest seq first. Time is the hub time at its lower end.
type Found struct {
	Matches []Match
	Time    int64
}

// Match is a message that matches as far as the store can tell.
type Match struct{ Seq, Time int64 }

// Log is what is read of the store. Every error means that the database is away.
type Log interface {
	// Enter finds where conversations of shard n are entered; what lies after the end of u's membership is passed over.
	Enter(ctx context.Context, n id.Shard, u id.User, list []Entrance) ([]Entered, error)
	// Scan looks for messages with content in stretches: at most limit in each, the highest seqs.
	Scan(ctx context.Context, n id.Shard, list []Stretch, f Filter, limit int) ([]Found, error)
	// Messages reads those of the seqs that are messages with content, in no order; their ConversationID is left empty.
	Messages(ctx context.Context, n id.Shard, conv int64, seqs []int64) ([]*conversation.Event, error)
}

// Owner tells the committed state. Faults: unknown_conversation, unavailable.
type Owner interface {
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
}

// Finder finds messages.
type Finder struct {
	Log    Log
	Owner  Owner
	Shards int
}

// Query is one search of a user.
type Query struct {
	Filter
	User  id.User
	After *Place // where to go on; nil is the newest
	Limit int
}

// Hit is a message found, with the state of its conversation.
type Hit struct {
	View timeline.View
	Seq  int64
}

// Result are the hits in order. Next is where to go on, nil if there is nothing more; there may be no hit and yet more.
type Result struct {
	Hits []Hit
	Next *Place
}

// Find searches the candidates, each of which is there once. Faults: unavailable.
func (f *Finder) Find(ctx context.Context, q Query, list []Candidate) (Result, error) {
	if q.To == 0 {
		q.To = maxTime
	}
	s := &sweep{finder: f, query: q, left: RowBudget, round: firstRound}
	for _, c := range list {
		s.add(c)
	}
	s.first = min(max(RowBudget/(2*max(int64(len(s.lanes)), 1)), leastStretch), firstStretch)
	return s.run(ctx)
}

// away is the answer while the database does not answer.
func away(err error) error {
	return fault.Retry(fault.Unavailable, time.Second, "the server cannot read this now, try again").Because(err)
}
