// SPDX-License-Identifier: Apache-2.0

package op

import (
	"cmp"
	"context"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Ban keeps a user out, member or not. Faults: invalid_field, unknown_conversation, not_member, unknown_user,
// insufficient_role, direct_fixed, limit_reached.
func (o *Conversations) Ban(ctx context.Context, c Caller, conversationID, userID string) (err error) {
	done, err := o.Lookups.begin(c, 1)
	if err != nil {
		return err
	}
	defer func() { done(err) }()
	s, u, err := o.about(ctx, c, conversationID, conversation.CanBan, userID)
	if err != nil {
		return err
	}
	if _, known := s.Member(u); !known { // The right was checked before, so that others cannot probe for accounts.
		if err := o.exists(ctx, u); err != nil && !fault.Is(err, fault.ServerUnreachable) {
			return err
		}
	}
	_, err = o.propose(ctx, c, s.ID, conversation.Proposal{Type: frame.TypeMemberBan, Change: frame.Change{UserIDs: []string{string(u)}}})
	return err
}

// Unban lifts a ban. Faults: invalid_field, unknown_conversation, not_member, insufficient_role, direct_fixed.
func (o *Conversations) Unban(ctx context.Context, c Caller, conversationID, userID string) error {
	s, u, err := o.about(ctx, c, conversationID, conversation.CanBan, userID)
	if err != nil {
		return err
	}
	_, err = o.propose(ctx, c, s.ID, conversation.Proposal{Type: frame.TypeMemberUnban, Change: frame.Change{UserIDs: []string{string(u)}}})
	return err
}

// Bans answers a page of the bans, in order of user id. Faults: unknown_conversation, not_member, insufficient_role,
// direct_fixed, invalid_cursor.
func (o *Conversations) Bans(ctx context.Context, c Caller, conversationID, cursor string, limit int) (rest.Bans, error) {
	out := rest.Bans{Bans: []rest.Ban{}}
	s, err := o.permitted(ctx, c, conversationID, conversation.CanBan)
	if err != nil {
		return out, err
	}
	all := make([]rest.Ban, len(s.Info.Bans))
	for i, b := range s.Info.Bans {
		all[i] = rest.Ban{UserID: string(b.UserID), BannedBy: string(b.BannedBy), BannedAt: b.BannedAt}
	}
	out.Bans, out.NextCursor, err = page(all, func(b rest.Ban) string { return b.UserID }, cursor, limit)
	out.HasMore = out.NextCursor != ""
	return out, err
}

// about is a conversation in which the caller has a capability, and the user a path names.
func (o *Conversations) about(ctx context.Context, c Caller, conversationID, capability, userID string) (*conversation.State, id.User, error) {
	s, err := o.permitted(ctx, c, conversationID, capability)
	if err != nil {
		return nil, "", err
	}
	u, err := parseUser("userId", userID)
	return s, u, err
}

// page cuts a list in order of user id; the cursor is the last user id of the page before.
func page[T any](all []T, user func(T) string, cursor string, limit int) (out []T, next string, err error) {
	if _, err := id.ParseUser(cursor); cursor != "" && err != nil {
		return []T{}, "", fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(user(a), user(b)) })
	out = []T{}
	for _, v := range all {
		if user(v) <= cursor {
			continue
		}
		if len(out) == limit {
			return out, user(out[limit-1]), nil
		}
		out = append(out, v)
	}
	return out, "", nil
}
