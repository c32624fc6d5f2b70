// SPDX-License-Identifier: Apache-2.0

package search

import (
	"context"
	"maps"
	"math"
	"slices"
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
	blockCost    = 25 // a look-up of words in a block costs as much as looking at so many messages, about
)

// Filter says what is searched for; zero fields mean anything.
type Filter struct {
	Sender      id.User
	ContentType string
	From, To    int64 // hub time: From <= t < To; To 0 is no bound
	Text        *Text // looked for in the index of words; nil: in the log
}

// Candidate is a conversation to be searched, and a time that no message the user may read there is newer than.
type Candidate struct {
	ID    id.Conversation
	Time  int64
	Whole bool // the user reads all of it without being a member
	Past  bool // the user was a member
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
	// Searchable lists those of the conversations that are indexed, and whether as a whole.
	Searchable(ctx context.Context, n id.Shard, convs []id.Conversation) (map[id.Conversation]bool, error)
	// Messages reads those of the seqs, of which there is one at least, that are messages with content, in no order, as a reader
	// sees them whose range this is; their ConversationID is left empty.
	Messages(ctx context.Context, n id.Shard, conv int64, seqs []int64, r timeline.Range) ([]*conversation.Event, error)
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

// Searchable keeps the candidates that are searched by words. partly counts those whose index is not complete yet.
func (f *Finder) Searchable(ctx context.Context, list []Candidate) (out []Candidate, partly int, err error) {
	by := map[id.Shard][]id.Conversation{}
	list = slices.DeleteFunc(slices.Clone(list), func(c Candidate) bool { return c.Past })
	for _, c := range list {
		n := c.ID.Shard(f.Shards)
		by[n] = append(by[n], c.ID)
	}
	known := map[id.Conversation]bool{}
	for n, convs := range by {
		some, err := f.Log.Searchable(ctx, n, convs)
		if err != nil {
			return nil, 0, away(err)
		}
		maps.Copy(known, some)
	}
	for _, c := range list {
		whole, ok := known[c.ID]
		if ok {
			out = append(out, c)
		}
		if ok && !whole {
			partly++
		}
	}
	return out, partly, nil
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
	if q.Text != nil { // There is to be a look at each of them at least, or the search would get no further.
		s.left = max(s.left, 2*blockCost*len(s.lanes))
	}
	s.first = min(max(RowBudget/(2*max(int64(len(s.lanes)), 1)), leastStretch), firstStretch)
	return s.run(ctx)
}

// away is the answer while the database does not answer.
func away(err error) error {
	return fault.Retry(fault.Unavailable, time.Second, "the server cannot read this now, try again").Because(err)
}
