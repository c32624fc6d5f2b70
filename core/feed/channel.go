// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"context"
	"slices"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Memberships of those who are no members, and their role.
const (
	Subscribed = "subscribed"
	None       = "none" // who looks at a public channel
	ReaderRole = "reader"
)

// Channels is what the feed asks about channels that users read without being members: core/channel.
type Channels interface {
	// Of lists the channels that u subscribed to, sorted; it must not be changed.
	Of(ctx context.Context, u id.User) ([]id.Conversation, error)
	// Known is Of as far as memory has it.
	Known(u id.User) []id.Conversation
	// Readers reads the subscriptions of u among views of one shard.
	Readers(ctx context.Context, n id.Shard, views []timeline.View, u id.User) (map[id.Conversation]channel.Reader, error)
	// Subscribers is how many subscribers a channel has.
	Subscribers(ctx context.Context, v timeline.View) (int64, error)
	// Horizon is up to where in shard n live sessions were told how their channels moved.
	Horizon(n id.Shard) int64
}

// subscribe finds the user's channels. It comes before the ends of the shards are read: from here on hints tell what moves.
func (p *puller) subscribe(ctx context.Context) (err error) {
	if p.feed.Channels == nil {
		return nil
	}
	p.channels, err = p.feed.Channels.Of(ctx, p.user)
	return err
}

// reads tells whether c is a channel that the user reads as a subscriber: a membership, as long as it lasts, is more.
func (p *puller) reads(c id.Conversation, membership string) bool {
	if len(p.channels) == 0 || membership == conversation.Joined {
		return false
	}
	_, ok := slices.BinarySearch(p.channels, c)
	return ok
}

// indexChannels puts the subscriptions into the index as it was read.
func (p *puller) indexChannels(index []Membership) []Membership {
	if len(p.channels) == 0 {
		return index
	}
	joined := map[id.Conversation]bool{}
	out := make([]Membership, 0, len(index)+len(p.channels))
	for _, m := range index {
		if joined[m.ID] = m.Membership == conversation.Joined; !p.reads(m.ID, m.Membership) {
			out = append(out, m)
		}
	}
	for _, c := range p.channels {
		if !joined[c] {
			out = append(out, Membership{ID: c, Membership: Subscribed})
		}
	}
	return out
}

// Index lists the conversations of a user, past ones and subscribed channels too. Faults: Unavailable.
func (f *Feed) Index(ctx context.Context, u id.User) ([]Membership, error) {
	p := &puller{feed: f, user: u}
	if err := p.subscribe(ctx); err != nil {
		return nil, err
	}
	index, err := f.Log.UserIndex(ctx, u)
	if err != nil {
		return nil, away(err)
	}
	return p.indexChannels(index), nil
}

// channel adds a subscribed channel that moved: how it stands now, and no event, because its readers fetch what they want.
func (p *puller) channel(ctx context.Context, n id.Shard, v timeline.View) error {
	readers, err := p.readers(ctx, n, v)
	if err != nil {
		return err
	}
	r, ok := readers[v.State.ID]
	if !ok {
		return nil // Ended meanwhile.
	}
	summary, err := p.feed.ReaderSummary(v, p.user, &r)
	if err == nil {
		summary.SubscriberCount, err = p.feed.Channels.Subscribers(ctx, v)
	}
	if err != nil {
		return err
	}
	p.append(summary)
	return nil
}

// readers reads the rows of all channels of the shard at hand that moved, once.
func (p *puller) readers(ctx context.Context, n id.Shard, v timeline.View) (map[id.Conversation]channel.Reader, error) {
	if have := p.rows; have != nil {
		if _, ok := have[v.State.ID]; ok {
			return have, nil
		}
	}
	views := []timeline.View{v}
	for _, other := range p.recent[n] {
		if m, _ := other.State.Member(p.user); other.State.ID != v.State.ID && p.reads(other.State.ID, m.Membership) {
			views = append(views, other)
		}
	}
	var err error
	p.rows, err = p.feed.Channels.Readers(ctx, n, views[:min(len(views), pageConversations)], p.user)
	return p.rows, err
}

// ReaderSummary is a channel as somebody sees it who is no member now: a subscriber, or, with r nil, who looks at a public one.
func (f *Feed) ReaderSummary(v timeline.View, u id.User, r *channel.Reader) (frame.Conversation, error) {
	out := frame.Conversation{
		Notifications:  "all",
		ConversationID: string(v.State.ID),
		Type:           v.State.Type(),
		Name:           v.State.Name,
		CreatedBy:      string(v.State.Create.Creators[0]),
		Membership:     None,
		Role:           ReaderRole,
		MemberCount:    v.State.Joined,
		HeadSeq:        v.Head.Seq,
		LastMessageAt:  v.State.Created,
		CreatedAt:      v.State.Created,
		DeliveredSeq:   -1,
		ReadSeq:        -1,
		Visibility:     Visibility(v.State),
	}
	out.AvatarURL, out.Description = v.State.Info.AvatarURL, v.State.Info.Description
	if r != nil {
		out.Membership, out.IsSubscribed = Subscribed, true
		out.DeliveredSeq, out.ReadSeq = r.ReadSeq, r.ReadSeq
		out.UnreadCount = max(0, v.Head.Count-r.ReadCount)
		out.LastMessageAt = cmp.Or(r.SubscribedAt, out.LastMessageAt)
		out.MutedUntil, out.IsPinned, out.IsArchived = r.MutedUntil, r.IsPinned, r.IsArchived
	}
	if last := v.Last; last != nil {
		record, err := f.one(v, u, nil, last)
		if err != nil {
			return out, err
		}
		record.Reactions, record.ChangedSeq = nil, 0 // The preview does not follow them.
		out.LastMessage, out.LastMessageAt = &record, last.HubTime
	}
	return out, nil
}

// Visibility is that of a channel, public or private, and empty for other conversations.
func Visibility(s *conversation.State) string {
	switch {
	case s.Type() != "channel":
		return ""
	case s.Create.Visibility == "":
		return Private
	}
	return s.Create.Visibility
}

// Private is the visibility of a channel that one has to be let into.
const Private = "private"

// settled rounds a cursor down in the shards of the user's channels, to where hints were sent: what moved after that would be
// hidden from a client that goes away before the hint.
func (s *Stream) settled() Cursor {
	if s.feed.Channels == nil {
		return s.cursor
	}
	channels := s.feed.Channels.Known(s.user)
	if len(channels) == 0 {
		return s.cursor
	}
	out := s.cursor.clone()
	for _, c := range channels {
		n := c.Shard(s.feed.Shards)
		at, ok := out.at[n]
		if !ok {
			continue
		}
		at.Pos = min(at.Pos, max(s.base[n].Pos, s.feed.Channels.Horizon(n)))
		out.at[n] = at
	}
	return out
}
