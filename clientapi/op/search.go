// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/feed"
	"parley.chat/core/limit"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// SearchConversations is how many conversations one search looks at, those that moved last. spec: SEARCH-REACH-2
const SearchConversations = 1000

// Search asks for messages; zero fields mean anything. Times are Unix milliseconds, From <= t < To.
type Search struct {
	Text                                  string
	SenderID, ConversationID, ContentType string
	From, To                              int64
	Cursor                                string
	Limit                                 int
}

// Search answers a page of the messages that match and that the caller may read, newest first. Faults: invalid_field,
// invalid_cursor, unknown_conversation, search_disabled, rate_limited, unavailable.
func (o *Conversations) Search(ctx context.Context, c Caller, in Search) (rest.Found, error) {
	out := rest.Found{Messages: []frame.Event{}}
	q, err := in.query(c)
	if err != nil {
		return out, err
	}
	end, err := o.Searches.begin(c)
	if err != nil {
		return out, err
	}
	defer end()
	list, err := o.candidates(ctx, c, in.ConversationID, q.Text != nil)
	if err != nil {
		return out, err
	}
	all := len(list)
	if q.Text != nil {
		if list, out.IncompleteConversations, err = o.Finder.Searchable(ctx, list); err != nil {
			return out, err
		}
	}
	list = list[:min(len(list), SearchConversations)]
	out.SkippedConversations = all - len(list)
	res, err := o.Finder.Find(ctx, q, list)
	if err != nil {
		return out, err
	}
	if res.Next != nil {
		out.HasMore, out.NextCursor = true, res.Next.String()
	}
	for hits := range slices.Chunk(res.Hits, showAtOnce) {
		some, err := o.show(ctx, c, q, hits)
		if err != nil {
			return out, err
		}
		for _, e := range some {
			if out.Messages = append(out.Messages, e); full(out.Messages) {
				out.HasMore, out.NextCursor = true, search.Place{Time: e.Timestamp, Conv: id.Conversation(e.ConversationID), Seq: e.Seq - 1}.String() // A place is where to go on.
				return out, nil
			}
		}
	}
	return out, nil
}

// showAtOnce bounds the hits that are read together, as each may be of the largest size.
const showAtOnce = 20

// query checks the shape of a search. spec: SEARCH-FORM-1
func (in Search) query(c Caller) (q search.Query, err error) {
	q = search.Query{User: c.User, Limit: in.Limit}
	q.ContentType, q.From, q.To = in.ContentType, in.From, in.To
	if in.SenderID != "" {
		if q.Sender, err = parseUser("senderId", in.SenderID); err != nil {
			return q, err
		}
	}
	if in.ContentType != "" {
		if err := checkKind(in.ContentType); err != nil {
			return q, err
		}
	}
	if in.Text != "" {
		if q.Text, err = search.ParseText(in.Text); err != nil {
			return q, err
		}
	}
	q.After, err = search.ParsePlace(in.Cursor)
	return q, err
}

// checkKind accepts the kinds of messages.
func checkKind(contentType string) error {
	if !slices.Contains([]string{"text", "image", "video", "audio", "document"}, contentType) {
		return fault.Invalid("contentType", "must be text, image, video, audio or document")
	}
	return nil
}

// candidates are the conversations to search, those that moved last first: the one named, or all of the caller.
func (o *Conversations) candidates(ctx context.Context, c Caller, named string, text bool) ([]search.Candidate, error) {
	if named != "" {
		v, reader, err := o.reading(ctx, c, named)
		if err != nil {
			return nil, err
		}
		if m, _ := v.State.Member(c.User); text && (!v.State.Info.ServerSearch || reader == nil && m.Membership != conversation.Joined) {
			return nil, fault.New(fault.SearchDisabled, "the messages of this conversation are not searched by words")
		}
		return []search.Candidate{{ID: v.State.ID, Time: v.Head.Time, Whole: reader != nil}}, nil
	}
	all, err := o.listed(ctx, c)
	if err != nil {
		return nil, err
	}
	out := make([]search.Candidate, len(all))
	for i, one := range all {
		out[i] = search.Candidate{ID: one.id, Time: one.time, Whole: one.membership == feed.Subscribed, Past: past(one.membership)}
	}
	return out, nil
}

func past(membership string) bool {
	return membership != conversation.Joined && membership != feed.Subscribed
}

// show reads the hits again, as pages show messages: what was erased since it was found is left out.
func (o *Conversations) show(ctx context.Context, c Caller, q search.Query, hits []search.Hit) ([]frame.Event, error) {
	seqs, views := map[id.Conversation][]int64{}, map[id.Conversation]timeline.View{}
	for _, h := range hits {
		conv := h.View.State.ID
		seqs[conv], views[conv] = append(seqs[conv], h.Seq), h.View
	}
	shown := map[id.Conversation]map[int64]frame.Event{}
	for conv, v := range views {
		_, reader, err := o.reading(ctx, c, string(conv)) // The index of the user is no proof of a subscription.
		if fault.Is(err, fault.UnknownConversation) {
			continue
		} else if err != nil {
			return nil, err
		}
		pointers, err := o.Feed.Pointers(ctx, v, c.User)
		if err != nil {
			return nil, err
		}
		if me := pointers[c.User]; me.Prefs.Hides() || me.Prefs != nil && me.Prefs.Consent != "" {
			continue
		}
		events, err := o.Finder.Log.Messages(ctx, v.Shard, v.Conv, seqs[conv], sight(v, c, pointers, reader))
		if err != nil {
			return nil, err
		}
		if shown[conv], err = o.records(ctx, c, v, pointers, events); err != nil {
			return nil, err
		}
	}
	out := make([]frame.Event, 0, len(hits))
	for _, h := range hits {
		if e, ok := shown[h.View.State.ID][h.Seq]; ok && still(e, q) {
			out = append(out, e)
		}
	}
	return out, nil
}

// still tells whether a message as it is now is one that was searched for: it may have been deleted since it was found, its
// time may be over, and the index may be behind an edit.
func still(e frame.Event, q search.Query) bool {
	if e.DeletedAt != 0 || e.Content == "" && e.EncryptedContent == "" && e.MediaURL == "" {
		return false
	}
	return q.Text == nil || e.EncryptedContent == "" && q.Text.Match(e.Content)
}

// Searches bounds how often a user searches. Make it with NewSearches; nil is no limit.
type Searches struct {
	now     func() time.Time
	most    int
	counter *limit.Counter

	mu   sync.Mutex
	open map[id.User]int
}

// searchesAtOnce bounds the searches of one user at a time: they cost the database more than anything else.
const searchesAtOnce = 2

// NewSearches makes the limit of a minute, 0 for none. now nil is time.Now.
func NewSearches(most int, now func() time.Time) *Searches {
	if now == nil {
		now = time.Now
	}
	return &Searches{open: map[id.User]int{}, now: now, most: most, counter: limit.NewCounter(limit.Rate{Count: most, Per: time.Minute}, 0)}
}

// begin spends one search of the caller, who calls end after it. Faults: rate_limited.
func (l *Searches) begin(c Caller) (end func(), err error) {
	if l == nil || l.most <= 0 {
		return func() {}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[c.User] >= searchesAtOnce {
		return nil, limit.Refusal(time.Second, fmt.Sprintf("at most %d searches at a time", searchesAtOnce))
	}
	if err := l.take(c); err != nil {
		return nil, err
	}
	l.open[c.User]++
	return func() { l.end(c.User) }, nil
}

func (l *Searches) end(u id.User) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[u]--; l.open[u] == 0 {
		delete(l.open, u)
	}
}

// take spends one search of the caller. Faults: rate_limited. spec: SEARCH-RATE-1
func (l *Searches) take(c Caller) error {
	if l == nil {
		return nil
	}
	if wait := l.counter.Take(string(c.User), 1, l.now().UnixMilli()); wait > 0 {
		return limit.Refusal(wait, fmt.Sprintf("at most %d searches a minute", l.most))
	}
	return nil
}

func (o *Conversations) records(ctx context.Context, c Caller, v timeline.View, pointers map[id.User]timeline.Pointer, events []*conversation.Event) (map[int64]frame.Event, error) {
	list, err := o.shownTo(ctx, c, v, pointers, events)
	out := make(map[int64]frame.Event, len(list))
	for _, e := range list {
		if e.Withheld == "" && e.DeletedAt == 0 {
			out[e.Seq] = e
		}
	}
	return out, err
}
