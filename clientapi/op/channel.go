// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"slices"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/feed"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// maxAdded bounds the users one request makes subscribers.
const maxAdded = 100

// createChannel makes the create event of a channel.
func (o *Conversations) createChannel(c Caller, in rest.CreateConversation, members []id.User) (event.Create, error) {
	if in.Name == "" {
		return event.Create{}, fault.Invalid("name", "a channel has a name")
	}
	if err := conversation.CheckName(in.Name); err != nil {
		return event.Create{}, err
	}
	visibility := ""
	switch {
	case in.Visibility == nil, *in.Visibility == feed.Private:
	case *in.Visibility == event.Public:
		visibility = event.Public
	default:
		return event.Create{}, fault.Invalid("visibility", "must be public or private")
	}
	if limit := o.Limits.Members(event.Channel); len(members) > limit {
		return event.Create{}, fault.New(fault.GroupFull, "at most %d users write in a channel", limit)
	}
	return event.Create{
		Creators: []id.User{c.User}, Hub: o.Server, Members: members, Name: in.Name, Type: event.Channel, Visibility: visibility,
	}, nil
}

// reading finds a conversation the caller may read: as a member, present or past, as a subscriber, or because it is public.
// Only for the last two reader is not nil, and of those only a subscriber has a row.
func (o *Conversations) reading(ctx context.Context, c Caller, conversationID string) (v timeline.View, r *reader, err error) {
	conv, err := id.ParseConversation(conversationID)
	if err != nil {
		return v, nil, fault.New(fault.UnknownConversation, "no such conversation")
	}
	if v, err = o.Timeline.View(ctx, conv); err != nil {
		return v, nil, err
	}
	m, ok := v.State.Member(c.User)
	if ok && m.Membership == conversation.Joined {
		return v, nil, nil
	}
	access, row, err := o.Channels.Access(ctx, v, c.User)
	switch {
	case err != nil:
		return v, nil, err
	case access == channel.Subscriber:
		return v, &reader{&row}, nil
	case ok:
		return v, nil, nil
	case access == channel.Looker:
		return v, &reader{}, nil
	}
	return v, nil, o.hide(ctx, conv)
}

// reader is somebody who reads a channel without being a member; row is nil without a subscription.
type reader struct{ row *channel.Reader }

// refuse answers somebody who never was a member: readers of a channel that only members may do this, strangers that there is
// no such conversation. spec: CHAN-WRITE-1
func (o *Conversations) refuse(ctx context.Context, c Caller, v timeline.View) error {
	access, _, err := o.Channels.Access(ctx, v, c.User)
	switch {
	case err != nil:
		return err
	case access != channel.Stranger:
		return fault.New(fault.InsufficientRole, "only members of the channel may do this")
	}
	return o.hide(ctx, v.State.ID)
}

// readerSummary is a channel as a reader sees it.
func (o *Conversations) readerSummary(ctx context.Context, c Caller, v timeline.View, r *reader) (frame.Conversation, error) {
	out, err := o.Feed.ReaderSummary(v, c.User, r.row)
	if err != nil {
		return out, err
	}
	return out, o.audience(ctx, v, &out)
}

// audience fills in what only channels have.
func (o *Conversations) audience(ctx context.Context, v timeline.View, out *frame.Conversation) (err error) {
	if !channel.IsChannel(v) || out.Membership == conversation.Left || out.Membership == conversation.Removed {
		return nil
	}
	if out.SubscriberCount, err = o.Channels.Subscribers(ctx, v); err != nil || out.LastMessage == nil {
		return err
	}
	views, err := o.Channels.Views(ctx, v, []int64{out.LastMessage.Seq})
	out.LastMessage.Views = views[out.LastMessage.Seq]
	return err
}

// countViews fills in how often messages of a channel were read.
func (o *Conversations) countViews(ctx context.Context, v timeline.View, records []frame.Event) error {
	if !channel.IsChannel(v) {
		return nil
	}
	var seqs []int64
	for _, e := range records {
		if e.Type == frame.TypeMessage {
			seqs = append(seqs, e.Seq)
		}
	}
	views, err := o.Channels.Views(ctx, v, seqs)
	for i := range records {
		if records[i].Type == frame.TypeMessage {
			records[i].Views = views[records[i].Seq]
		}
	}
	return err
}

// readAs moves the pointer of a subscriber; it is false for everybody else. Delivered is noted for members only.
func (o *Conversations) readAs(ctx context.Context, c Caller, conv id.Conversation, m id.Message, read bool) (bool, error) {
	v, err := o.Timeline.View(ctx, conv)
	if err != nil || !channel.IsChannel(v) {
		return false, err
	}
	if have, _ := v.State.Member(c.User); have.Membership == conversation.Joined {
		return false, nil
	}
	access, _, err := o.Channels.Access(ctx, v, c.User)
	if err != nil || access == channel.Stranger {
		return false, err
	}
	ref, err := o.Timeline.Entry(ctx, conv, m)
	if err != nil || access == channel.Looker || !read {
		return true, err
	}
	return true, o.Channels.Receive(ctx, v, c.User, ref)
}

// Subscribe makes the caller a subscriber of a public channel; it answers as if it had been done where it need not be. Faults:
// unknown_conversation, quota_exceeded.
func (o *Conversations) Subscribe(ctx context.Context, c Caller, conversationID string) (frame.Conversation, error) {
	v, r, err := o.reading(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	if m, _ := v.State.Member(c.User); r == nil && m.Membership != conversation.Joined {
		access, _, err := o.Channels.Access(ctx, v, c.User)
		if err != nil {
			return frame.Conversation{}, err
		}
		if access == channel.Stranger {
			return frame.Conversation{}, fault.New(fault.UnknownConversation, "no such conversation") // A past member, kept out.
		}
	}
	if err := o.Channels.Subscribe(ctx, v, c.User, r != nil && r.row != nil, false); err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

// channelLink refuses what an invite link of a channel cannot do: who comes by it makes no entry that could be counted or asked
// about. spec: CHAN-LINK-2
func channelLink(s *conversation.State, in rest.CreateLink) error {
	switch {
	case s.Type() != event.Channel:
		return nil
	case in.MaxUses != 0:
		return fault.Invalid("maxUses", "an invite link of a channel is used as often as it is")
	case in.NeedsApproval:
		return fault.Invalid("needsApproval", "an invite link of a channel lets in at once")
	}
	return nil
}

// subscribeByLink makes the bearer of a channel's link a subscriber. spec: CHAN-LINK-1
func (o *Conversations) subscribeByLink(ctx context.Context, c Caller, b bearer) (frame.Conversation, error) {
	err := o.tryLink(ctx, c, b)
	if err == nil {
		err = o.Channels.Subscribe(ctx, b.view, c.User, true, false)
	}
	switch {
	case fault.Is(err, fault.UnknownConversation):
		return frame.Conversation{}, bannedReader() // Meanwhile.
	case err != nil && !fault.Is(err, fault.AlreadyMember):
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, string(b.view.State.ID))
}

// tryLink says whether the bearer may join by the link, or subscribe by that of a channel. Bans of readers are no part of the
// state. Faults: link_revoked, link_expired, link_used_up, banned, already_member, unavailable.
func (o *Conversations) tryLink(ctx context.Context, c Caller, b bearer) error {
	if channel.IsChannel(b.view) {
		_, row, err := o.Channels.Access(ctx, b.view, c.User)
		if err != nil {
			return err
		}
		if row.BannedAt > 0 {
			return bannedReader()
		}
	}
	return b.view.State.TryLink(b.link, c.User, o.Timeline.Clock().UnixMilli())
}

func bannedReader() error { return fault.New(fault.Banned, "you are banned from this channel") }

// Unsubscribe ends the caller's subscription, if there is one. Faults: unknown_conversation.
func (o *Conversations) Unsubscribe(ctx context.Context, c Caller, conversationID string) error {
	v, r, err := o.reading(ctx, c, conversationID)
	if err != nil {
		return err
	}
	if !channel.IsChannel(v) {
		return fault.New(fault.UnknownConversation, "no such channel")
	}
	if r == nil || r.row == nil {
		return nil
	}
	return o.Channels.Unsubscribe(ctx, v, c.User, false)
}

// preferAsReader changes the settings of a subscriber: there are fewer than those of a member. spec: CHAN-PREFS-1
func (o *Conversations) preferAsReader(ctx context.Context, c Caller, v timeline.View, r *reader, in rest.EditPrefs) (frame.Conversation, error) {
	field := ""
	switch {
	case r.row == nil:
		return frame.Conversation{}, fault.New(fault.InsufficientRole, "subscribe to the channel first")
	case in.MarkedUnread != nil:
		field = "markedUnread"
	case in.Notifications != nil:
		field = "notifications"
	case in.Draft != nil:
		field = "draft"
	}
	if field != "" {
		return frame.Conversation{}, fault.Invalid(field, "a subscriber sets mutedUntil, isPinned and isArchived only")
	}
	err := o.Channels.Set(ctx, v, c.User, func(s *channel.Settings) {
		put(&s.MutedUntil, in.MutedUntil)
		put(&s.IsPinned, in.IsPinned)
		put(&s.IsArchived, in.IsArchived)
	})
	if err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, string(v.State.ID))
}

// governed finds a channel of which the caller is an owner or admin. Faults: unknown_conversation, not_member, insufficient_role.
func (o *Conversations) governed(ctx context.Context, c Caller, conversationID string) (timeline.View, error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return v, err
	}
	if !channel.IsChannel(v) {
		return v, fault.New(fault.UnknownConversation, "no such channel")
	}
	if m, _ := v.State.Member(c.User); m.Role == conversation.Simple {
		return v, fault.New(fault.InsufficientRole, "only owners and admins see and manage subscribers")
	}
	return v, nil
}

// Subscribers answers a page of the subscribers, or of those banned, in order of user id. Faults: unknown_conversation,
// not_member, insufficient_role, invalid_cursor.
func (o *Conversations) Subscribers(ctx context.Context, c Caller, conversationID, cursor string, banned bool, limit int) (rest.Subscribers, error) {
	out := rest.Subscribers{Subscribers: []rest.Subscriber{}}
	v, err := o.governed(ctx, c, conversationID)
	if err != nil {
		return out, err
	}
	if _, err := id.ParseUser(cursor); cursor != "" && err != nil {
		return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	list, err := o.Channels.List(ctx, v, id.User(cursor), banned, limit+1)
	if err != nil {
		return out, err
	}
	if len(list) > limit {
		list = list[:limit]
		out.HasMore, out.NextCursor = true, string(list[limit-1].User)
	}
	for _, r := range list {
		out.Subscribers = append(out.Subscribers, rest.Subscriber{UserID: string(r.User), SubscribedAt: r.SubscribedAt, BannedAt: r.BannedAt})
	}
	return out, nil
}

// AddSubscribers makes others subscribers, of a private channel too, and lifts their bans. Faults: invalid_field,
// unknown_conversation, not_member, insufficient_role, unknown_user, cannot_add, quota_exceeded.
func (o *Conversations) AddSubscribers(ctx context.Context, c Caller, conversationID string, in rest.AddSubscribers) (out frame.Conversation, err error) {
	done, err := o.Lookups.begin(c, len(in.UserIDs))
	if err != nil {
		return out, err
	}
	defer func() { done(err) }()
	v, err := o.governed(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	if len(in.UserIDs) == 0 || len(in.UserIDs) > maxAdded {
		return frame.Conversation{}, fault.Invalid("userIds", "must name 1 to %d users", maxAdded)
	}
	users := make([]id.User, len(in.UserIDs))
	for i, name := range in.UserIDs {
		if users[i], err = o.user(ctx, "userIds", name); err == nil {
			err = o.subscribable(users[i])
		}
		if err != nil {
			return frame.Conversation{}, err
		}
		may, err := o.People.MayAdd(ctx, users[i], c.User)
		if err != nil {
			return frame.Conversation{}, err
		}
		if !may {
			return frame.Conversation{}, fault.New(fault.CannotAdd, "%s cannot be added by you", users[i])
		}
	}
	slices.Sort(users)
	for _, u := range slices.Compact(users) {
		if err := o.Channels.Subscribe(ctx, v, u, true, true); err != nil {
			return frame.Conversation{}, err
		}
	}
	return o.Get(ctx, c, conversationID)
}

// RemoveSubscriber ends somebody's subscription; with ban the channel does not exist for them until they are added again.
// Members are removed as members. Faults: invalid_field, unknown_conversation, not_member, insufficient_role, unknown_user.
func (o *Conversations) RemoveSubscriber(ctx context.Context, c Caller, conversationID, userID string, ban bool) (err error) {
	done, err := o.Lookups.begin(c, 1)
	if err != nil {
		return err
	}
	defer func() { done(err) }()
	v, err := o.governed(ctx, c, conversationID)
	if err != nil {
		return err
	}
	u, err := parseUser("userId", userID)
	if err != nil {
		return err
	}
	access, _, err := o.Channels.Access(ctx, v, u)
	if err != nil {
		return err
	}
	if m, _ := v.State.Member(u); m.Membership == conversation.Joined || access != channel.Subscriber && !ban {
		return fault.New(fault.UnknownUser, "%s is not a subscriber", u)
	}
	if ban {
		if err := o.exists(ctx, u); err != nil {
			return err
		}
	}
	return o.Channels.Unsubscribe(ctx, v, u, ban)
}
