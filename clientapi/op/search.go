// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
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
	SenderID, ConversationID, ContentType string
	From, To                              int64
	Cursor                                string
	Limit                                 int
}

// Search answers a page of the messages that match and that the caller may read, newest first. Faults: invalid_field,
// invalid_cursor, unknown_conversation, unavailable.
func (o *Conversations) Search(ctx context.Context, c Caller, in Search) (rest.Found, error) {
	out := rest.Found{Messages: []frame.Event{}}
	q, err := in.query(c)
	if err != nil {
		return out, err
	}
	list, err := o.candidates(ctx, c, in.ConversationID)
	if err != nil {
		return out, err
	}
	if beyond := len(list) - SearchConversations; beyond > 0 {
		list, out.SkippedConversations = list[:SearchConversations], beyond
	}
	res, err := o.Finder.Find(ctx, q, list)
	if err != nil {
		return out, err
	}
	if res.Next != nil {
		out.HasMore, out.NextCursor = true, res.Next.String()
	}
	out.Messages, err = o.show(ctx, c, res.Hits)
	return out, err
}

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
func (o *Conversations) candidates(ctx context.Context, c Caller, named string) ([]search.Candidate, error) {
	if named != "" {
		v, err := o.visible(ctx, c, named)
		if err != nil {
			return nil, err
		}
		return []search.Candidate{{ID: v.State.ID, Time: v.Head.Time}}, nil
	}
	all, err := o.listed(ctx, c)
	if err != nil {
		return nil, err
	}
	out := make([]search.Candidate, len(all))
	for i, one := range all {
		out[i] = search.Candidate{ID: one.id, Time: one.time}
	}
	return out, nil
}

// show reads the hits again, as pages show messages: what was erased since it was found is left out.
func (o *Conversations) show(ctx context.Context, c Caller, hits []search.Hit) ([]frame.Event, error) {
	seqs, views := map[id.Conversation][]int64{}, map[id.Conversation]timeline.View{}
	for _, h := range hits {
		conv := h.View.State.ID
		seqs[conv], views[conv] = append(seqs[conv], h.Seq), h.View
	}
	shown := map[id.Conversation]map[int64]frame.Event{}
	for conv, v := range views {
		events, err := o.Finder.Log.Messages(ctx, v.Shard, v.Conv, seqs[conv])
		if err != nil {
			return nil, err
		}
		if shown[conv], err = o.records(ctx, c, v, events); err != nil {
			return nil, err
		}
	}
	out := make([]frame.Event, 0, len(hits))
	for _, h := range hits {
		if e, ok := shown[h.View.State.ID][h.Seq]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}

func (o *Conversations) records(ctx context.Context, c Caller, v timeline.View, events []*conversation.Event) (map[int64]frame.Event, error) {
	list, err := o.shown(ctx, c, v, events)
	out := make(map[int64]frame.Event, len(list))
	for _, e := range list {
		if e.Withheld == "" && e.DeletedAt == 0 {
			out[e.Seq] = e
		}
	}
	return out, err
}
