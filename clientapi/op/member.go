// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Members answers a page of the joined members, in order of user id; the cursor is the last user id of the page before.
// Faults: unknown_conversation, not_member, invalid_cursor.
func (o *Conversations) Members(ctx context.Context, c Caller, conversationID, cursor string, limit int) (rest.Members, error) {
	out := rest.Members{Members: []rest.Member{}}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return out, err
	}
	if _, err := id.ParseUser(cursor); cursor != "" && err != nil {
		return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	pointers, err := o.Timeline.Pointers(ctx, v.State.ID)
	if err != nil {
		return out, err
	}
	users := joined(v)
	if err := o.Feed.Seen(ctx, v, c.User, pointers, users); err != nil {
		return out, err
	}
	for _, u := range users {
		if string(u) <= cursor {
			continue
		}
		if len(out.Members) == limit {
			out.HasMore, out.NextCursor = true, out.Members[limit-1].UserID
			break
		}
		out.Members = append(out.Members, member(v, u, pointers[u]))
	}
	return out, nil
}

func joined(v timeline.View) []id.User {
	users := make([]id.User, 0, len(v.State.Members))
	for u, m := range v.State.Members {
		if m.Membership == conversation.Joined {
			users = append(users, u)
		}
	}
	slices.Sort(users)
	return users
}

func member(v timeline.View, u id.User, p timeline.Pointer) rest.Member {
	m := v.State.Members[u]
	return rest.Member{UserID: string(u), Role: m.Role, JoinedAt: m.JoinedAt, DeliveredSeq: p.Delivered, ReadSeq: p.Read}
}

// AddMembers adds users to a group in one event. Faults: invalid_field, unknown_conversation, not_member, unknown_user,
// already_member, group_full, insufficient_role, direct_fixed, rate_limited.
func (o *Conversations) AddMembers(ctx context.Context, c Caller, conversationID string, in rest.AddMembers) (out frame.Conversation, err error) {
	done, err := o.Lookups.begin(c, len(in.UserIDs))
	if err != nil {
		return out, err
	}
	defer func() { done(err) }()
	v, err := o.visible(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	change, err := additions(in.UserIDs, o.Limits.MaxMembers)
	if err != nil {
		return frame.Conversation{}, err
	}
	// The right is checked before the names are looked up, so that a member who may not add anyone cannot probe for accounts.
	probe := conversation.Proposal{Type: frame.TypeMemberAdd, Sender: c.User, Change: change}
	if err := conversation.Decide(v.State, probe, o.Limits); err != nil {
		return frame.Conversation{}, err
	}
	var users []id.User
	for _, name := range change.UserIDs {
		u := id.User(name)
		if o.isHere(u) {
			err = o.exists(ctx, u)
		}
		if err != nil {
			return frame.Conversation{}, err
		}
		users = append(users, u)
	}
	if err := o.invite(ctx, c, v.State.Create, users); err != nil {
		return frame.Conversation{}, err
	}
	if _, err := o.propose(ctx, c, v.State.ID, conversation.Proposal{Type: frame.TypeMemberAdd, Change: change, Expects: in.Expects}); err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

// additions reads the names of new members, sorted, each once.
func additions(names []string, limit int) (frame.Change, error) {
	if len(names) == 0 {
		return frame.Change{}, fault.Invalid("userIds", "must name a user at least")
	}
	if len(names) > limit {
		return frame.Change{}, fault.New(fault.GroupFull, "a group has at most %d members", limit)
	}
	users := make([]string, len(names))
	for i, name := range names {
		u, err := parseUser("userIds", name)
		if err != nil {
			return frame.Change{}, err
		}
		users[i] = string(u)
	}
	slices.Sort(users)
	return frame.Change{UserIDs: slices.Compact(users), Role: conversation.Simple}, nil
}

// RemoveMember removes a member of a lower role; oneself: leaves, or will. Faults: unknown_conversation, not_member, unknown_user,
// insufficient_role, direct_fixed.
func (o *Conversations) RemoveMember(ctx context.Context, c Caller, conversationID, userID string) (isAccepted bool, err error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return false, err
	}
	if userID == string(c.User) {
		res, err := o.propose(ctx, c, v.State.ID, conversation.Proposal{Type: frame.TypeMemberLeave})
		return res.Accepted, err
	}
	u, err := o.target(v, userID)
	if err != nil {
		return false, err
	}
	return false, o.change(ctx, c, v, frame.TypeMemberRemove, frame.Change{UserIDs: []string{string(u)}})
}

// EditMember changes a member's role. Faults: invalid_field, unknown_conversation, not_member, unknown_user,
// insufficient_role, direct_fixed.
func (o *Conversations) EditMember(ctx context.Context, c Caller, conversationID, userID string, in rest.EditMember) (rest.Member, error) {
	if !slices.Contains([]string{conversation.Owner, conversation.Admin, conversation.Simple}, in.Role) {
		return rest.Member{}, fault.Invalid("role", "must be owner, admin or member")
	}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return rest.Member{}, err
	}
	u, err := o.target(v, userID)
	if err != nil {
		return rest.Member{}, err
	}
	change := frame.Change{UserIDs: []string{string(u)}, Role: in.Role}
	if _, err = o.propose(ctx, c, v.State.ID, conversation.Proposal{Type: frame.TypeMemberRole, Change: change, Expects: in.Expects}); err != nil {
		return rest.Member{}, err
	}
	if v, err = o.visible(ctx, c, conversationID); err != nil {
		return rest.Member{}, err
	}
	pointers, err := o.Timeline.Pointers(ctx, v.State.ID)
	if err == nil {
		err = o.Feed.Seen(ctx, v, c.User, pointers, []id.User{u})
	}
	return member(v, u, pointers[u]), err
}

// target is the joined member a path names.
func (o *Conversations) target(v timeline.View, userID string) (id.User, error) {
	u, err := id.ParseUser(userID)
	if err != nil {
		return "", fault.Invalid("userId", "is not a user id")
	}
	if m, ok := v.State.Member(u); !ok || m.Membership != conversation.Joined {
		return "", fault.New(fault.UnknownUser, "%s is not a member", u)
	}
	return u, nil
}
