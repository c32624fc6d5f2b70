// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"crypto/rand"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// CreateLink makes an invite link; its token is in this answer only. Faults: invalid_field, unknown_conversation, not_member,
// insufficient_role, direct_fixed, limit_reached, state_changed.
func (o *Conversations) CreateLink(ctx context.Context, c Caller, conversationID string, in rest.CreateLink) (rest.Link, error) {
	s, err := o.permitted(ctx, c, conversationID, conversation.CanManageLinks)
	if err != nil {
		return rest.Link{}, err
	}
	if err := channelLink(s, in); err != nil {
		return rest.Link{}, err
	}
	var linkID [conversation.LinkIDSize]byte
	var secret [conversation.LinkSecretSize]byte
	_, _ = rand.Read(linkID[:])
	_, _ = rand.Read(secret[:])
	change := frame.Change{
		LinkID: canonical.EncodeBase64(linkID[:]), SecretHash: conversation.SecretHash(secret[:]),
		ExpiresAt: in.ExpiresAt, MaxUses: in.MaxUses, NeedsApproval: in.NeedsApproval,
	}
	res, err := o.propose(ctx, c, s.ID, conversation.Proposal{Type: frame.TypeLinkCreate, Change: change, Expects: in.Expects})
	if err != nil {
		return rest.Link{}, err
	}
	return rest.Link{
		LinkID: change.LinkID, Token: conversation.Token{Conversation: s.ID, LinkID: change.LinkID, Secret: secret[:], Hub: o.hubName(s)}.String(),
		CreatedBy: string(c.User), CreatedAt: res.MessageID.Time(),
		ExpiresAt: in.ExpiresAt, MaxUses: in.MaxUses, NeedsApproval: in.NeedsApproval,
	}, nil
}

// Links answers the links that were not revoked. Faults: unknown_conversation, not_member, insufficient_role, direct_fixed.
func (o *Conversations) Links(ctx context.Context, c Caller, conversationID string) (rest.Links, error) {
	out := rest.Links{Links: []rest.Link{}}
	s, err := o.permitted(ctx, c, conversationID, conversation.CanManageLinks)
	if err != nil {
		return out, err
	}
	for _, l := range s.Info.Links {
		if !l.Revoked {
			out.Links = append(out.Links, rest.Link{
				LinkID: l.ID, CreatedBy: string(l.CreatedBy), CreatedAt: l.CreatedAt,
				ExpiresAt: l.ExpiresAt, MaxUses: l.MaxUses, Uses: l.Uses, NeedsApproval: l.NeedsApproval,
			})
		}
	}
	return out, nil
}

// RevokeLink ends a link. Faults: unknown_conversation, not_member, insufficient_role, direct_fixed, link_invalid.
func (o *Conversations) RevokeLink(ctx context.Context, c Caller, conversationID, linkID string) error {
	s, err := o.permitted(ctx, c, conversationID, conversation.CanManageLinks)
	if err != nil {
		return err
	}
	_, err = o.propose(ctx, c, s.ID, conversation.Proposal{Type: frame.TypeLinkRevoke, Change: frame.Change{LinkID: clip(linkID)}})
	return err
}

// bearer is what the bearer of a token may look at. Whoever bears none learns nothing, not even by the time the answer takes.
// spec: CONV-LINK-3
type bearer struct {
	token  conversation.Token
	view   timeline.View
	link   conversation.Link
	secret string            // its hash
	far    *rest.LinkPreview // what the hub shows, of a conversation that this server does not have; nothing else is set then
}

func (o *Conversations) bearer(ctx context.Context, c Caller, token string) (out bearer, err error) {
	none := fault.New(fault.LinkInvalid, "this is not an invite link")
	var ok bool
	if out.token, ok = conversation.ParseToken(token); !ok {
		return out, none
	}
	out.secret = conversation.SecretHash(out.token.Secret)
	out.view, err = o.Timeline.View(ctx, out.token.Conversation)
	there := !fault.Is(err, fault.UnknownConversation)
	if err != nil && there {
		return out, err
	}
	if there {
		if out.link, err = out.view.State.FindLink(out.token.LinkID, out.secret); err == nil {
			return out, nil
		}
	}
	if o.isElsewhere(out.token.Hub) && c.User.Server() == o.Server {
		return o.bearerElsewhere(ctx, c, out.token)
	}
	if there {
		if hidden := o.hide(ctx, out.token.Conversation); !fault.Is(hidden, fault.UnknownConversation) {
			return out, hidden
		}
	}
	return out, none
}

// PreviewLink shows the bearer of a token what the group is. Faults: link_invalid, link_revoked, link_expired, link_used_up,
// banned.
func (o *Conversations) PreviewLink(ctx context.Context, c Caller, in rest.LinkToken) (rest.LinkPreview, error) {
	b, err := o.bearer(ctx, c, in.Token)
	if err != nil {
		return rest.LinkPreview{}, err
	}
	if b.far != nil {
		return *b.far, nil
	}
	s := b.view.State
	out := rest.LinkPreview{
		ConversationID: string(s.ID), Name: s.Name, Description: s.Info.Description, AvatarURL: s.Info.AvatarURL,
		MemberCount: s.Joined, NeedsApproval: b.link.NeedsApproval, IsRequested: s.Info.Requested(c.User),
	}
	m, ok := s.Member(c.User)
	if out.IsMember = ok && m.Membership == conversation.Joined; out.IsMember || out.IsRequested && !s.Info.Banned(c.User) {
		return out, nil
	}
	if err := o.tryLink(ctx, c, b); err != nil {
		return rest.LinkPreview{}, err
	}
	return out, nil
}

// JoinLink makes the bearer of a token a member, or asks for it: then requested is true and only the id is known. Doing it
// again answers the same. Faults: as PreviewLink, group_full, limit_reached.
func (o *Conversations) JoinLink(ctx context.Context, c Caller, in rest.LinkToken) (out frame.Conversation, requested bool, err error) {
	b, err := o.bearer(ctx, c, in.Token)
	if err != nil {
		return out, false, err
	}
	conv := b.token.Conversation
	if b.far == nil && channel.IsChannel(b.view) {
		out, err = o.subscribeByLink(ctx, c, b)
		return out, false, err
	}
	asks, err := o.joinBy(ctx, c, b)
	if err != nil && !fault.Is(err, fault.AlreadyMember) {
		return out, false, err
	}
	if err == nil && asks {
		return frame.Conversation{ConversationID: string(conv)}, true, nil
	}
	out, err = o.Get(ctx, c, string(conv))
	return out, false, err
}

// Requests answers a page of those who ask to join, in order of user id. Faults: unknown_conversation, not_member,
// insufficient_role, direct_fixed, invalid_cursor.
func (o *Conversations) Requests(ctx context.Context, c Caller, conversationID, cursor string, limit int) (rest.JoinRequests, error) {
	out := rest.JoinRequests{Requests: []rest.JoinRequest{}}
	s, err := o.permitted(ctx, c, conversationID, conversation.CanInvite)
	if err != nil {
		return out, err
	}
	all := make([]rest.JoinRequest, len(s.Info.Requests))
	for i, r := range s.Info.Requests {
		all[i] = rest.JoinRequest{UserID: string(r.UserID), LinkID: r.LinkID, RequestedAt: r.RequestedAt}
	}
	out.Requests, out.NextCursor, err = page(all, func(r rest.JoinRequest) string { return r.UserID }, cursor, limit)
	out.HasMore = out.NextCursor != ""
	return out, err
}

// Approve makes a user who asks a member. Faults: invalid_field, unknown_conversation, not_member, unknown_user,
// insufficient_role, direct_fixed, already_member, group_full.
func (o *Conversations) Approve(ctx context.Context, c Caller, conversationID, userID string) (frame.Conversation, error) {
	s, u, err := o.about(ctx, c, conversationID, conversation.CanInvite, userID)
	if err != nil {
		return frame.Conversation{}, err
	}
	if m, _ := s.Member(u); m.Membership != conversation.Joined && !s.Info.Requested(u) {
		return frame.Conversation{}, fault.New(fault.UnknownUser, "%s does not ask to join", u)
	}
	change := frame.Change{UserIDs: []string{string(u)}, Role: conversation.Simple}
	if _, err := o.propose(ctx, c, s.ID, conversation.Proposal{Type: frame.TypeMemberAdd, Change: change}); err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

// Decline takes a request back. Faults: invalid_field, unknown_conversation, not_member, unknown_user, insufficient_role,
// direct_fixed.
func (o *Conversations) Decline(ctx context.Context, c Caller, conversationID, userID string) error {
	s, u, err := o.about(ctx, c, conversationID, conversation.CanInvite, userID)
	if err != nil {
		return err
	}
	_, err = o.propose(ctx, c, s.ID, conversation.Proposal{Type: frame.TypeJoinDecline, Change: frame.Change{UserIDs: []string{string(u)}}})
	return err
}
