// SPDX-License-Identifier: Apache-2.0

package op

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"parley.chat/core/conversation"
	"parley.chat/core/feed"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// listed is a conversation in the order of the list: newest movement first, the id decides a tie.
type listed struct {
	id         id.Conversation
	time       int64
	membership string
}

func (a listed) compare(b listed) int {
	return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(a.id, b.id))
}

// List answers a page of the caller's conversations, past ones too, newest first: those that are hidden, or all others. The cursor names the last one of the page
// before, so that pages do not shift while conversations move. Faults: invalid_cursor, unavailable.
func (o *Conversations) List(ctx context.Context, c Caller, cursor string, hidden bool, limit int) (rest.Conversations, error) {
	out := rest.Conversations{Conversations: []frame.Conversation{}}
	after, err := parseListCursor(cursor)
	if err != nil {
		return out, err
	}
	all, err := o.listed(ctx, c)
	if err != nil {
		return out, err
	}
	for _, item := range all {
		if after != nil && item.compare(*after) <= 0 {
			continue
		}
		if len(out.Conversations) == limit {
			out.HasMore = true
			break
		}
		one, err := o.Get(ctx, c, string(item.id))
		if fault.Is(err, fault.UnknownConversation) {
			continue // The index is ahead of what the owner shows.
		}
		if err != nil {
			return out, err
		}
		if one.IsHidden != hidden {
			continue
		}
		out.Conversations = append(out.Conversations, one)
		out.NextCursor = strconv.FormatInt(item.time, 10) + "." + string(item.id)
	}
	if !out.HasMore {
		out.NextCursor = ""
	}
	return out, nil
}

func parseListCursor(s string) (*listed, error) {
	if s == "" {
		return nil, nil
	}
	at, conv, _ := strings.Cut(s, ".")
	t, err := strconv.ParseInt(at, 10, 64)
	c, err2 := id.ParseConversation(conv)
	if err != nil || err2 != nil {
		return nil, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	return &listed{id: c, time: t}, nil
}

// listed reads the index and the heads, the store first and memory over it.
func (o *Conversations) listed(ctx context.Context, c Caller) ([]listed, error) {
	index, err := o.Feed.Index(ctx, c.User)
	if err != nil {
		return nil, err
	}
	by := map[id.Shard][]id.Conversation{}
	membership := map[id.Conversation]string{}
	out := make([]listed, 0, len(index))
	for _, m := range index {
		if m.Membership != conversation.Joined && m.Membership != feed.Subscribed { // Later movement is not for past members.
			out = append(out, listed{m.ID, m.ChangedAt, m.Membership})
			continue
		}
		n := m.ID.Shard(o.Feed.Shards)
		by[n], membership[m.ID] = append(by[n], m.ID), m.Membership
	}
	for n, convs := range by {
		heads, err := o.Feed.Log.Heads(ctx, n, convs)
		if err != nil {
			return nil, err
		}
		o.Timeline.Heads(n, convs, func(i int, v timeline.View) {
			heads[convs[i]] = feed.Head{Time: v.Head.Time}
		})
		for _, conv := range convs {
			out = append(out, listed{conv, heads[conv].Time, membership[conv]})
		}
	}
	slices.SortFunc(out, listed.compare)
	return out, nil
}
