// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// hubName is what a token says of who knows the link; a server by itself need not say it. spec: CONV-LINK-9
func (o *Conversations) hubName(s *conversation.State) id.Server {
	if o.Others == nil {
		return ""
	}
	return s.Hub()
}

// isElsewhere tells whether a hub is another server that can be asked.
func (o *Conversations) isElsewhere(hub id.Server) bool {
	return o.Others != nil && hub != "" && hub != o.Server
}

// bearerElsewhere asks the hub that a token names. spec: FED-LINK-1
func (o *Conversations) bearerElsewhere(ctx context.Context, c Caller, t conversation.Token) (bearer, error) {
	p, err := o.Others.Preview(ctx, t.Hub, replica.AskLink{
		ConversationID: t.Conversation, LinkID: t.LinkID, Secret: canonical.EncodeBase64(t.Secret), UserID: c.User,
	})
	if fault.Is(err, fault.UnknownUser) { // There is no such server.
		err = fault.New(fault.LinkInvalid, "this is not an invite link")
	}
	return bearer{token: t, secret: conversation.SecretHash(t.Secret), far: &p}, err
}

// joinBy makes the caller a member by a link, or asks to be one: then asks is true.
func (o *Conversations) joinBy(ctx context.Context, c Caller, b bearer) (asks bool, err error) {
	if asks = b.link.NeedsApproval; b.far != nil {
		asks = b.far.NeedsApproval
	}
	p := conversation.Proposal{Type: frame.TypeMemberJoin, Change: frame.Change{LinkID: b.token.LinkID}, SecretHash: b.secret}
	if asks {
		p.Type = frame.TypeJoinRequest
	}
	content, err := event.ChangeContent(p.Change)
	if err != nil {
		return asks, err
	}
	cmd := timeline.Command{Proposal: p, Content: content}
	if hub := b.hub(); o.isElsewhere(hub) {
		err = o.joinElsewhere(ctx, c, b, hub, cmd)
	} else {
		_, err = o.append(ctx, c, b.token.Conversation, cmd)
	}
	if errors.Is(err, conversation.ErrUnchanged) {
		err = nil
	}
	return asks, err
}

// hub is the server that lets the bearer in.
func (b bearer) hub() id.Server {
	if b.far != nil {
		return b.token.Hub
	}
	return b.view.State.Hub()
}

// joinElsewhere has another server decide. That the caller asked is noted first: who is let in then wants it.
func (o *Conversations) joinElsewhere(ctx context.Context, c Caller, b bearer, hub id.Server, cmd timeline.Command) error {
	if m, _ := b.view.State.Member(c.User); m.Membership == conversation.Joined {
		return fault.New(fault.AlreadyMember, "you are a member already")
	}
	if o.Joiner == nil {
		return fault.New(fault.HubUnavailable, "the server %s, which orders the conversation, is not asked", hub)
	}
	o.Asked.Note(b.token.Conversation, c.User)
	_, err := o.Joiner.Join(ctx, hub, complete(c, b.token.Conversation, cmd), canonical.EncodeBase64(b.token.Secret))
	return err
}

// PreviewLinkFor shows a user of another server, who bears a link, what a conversation of this one is. Faults: as PreviewLink.
// spec: FED-LINK-2
func (o *Conversations) PreviewLinkFor(ctx context.Context, u id.User, conv id.Conversation, linkID, secret string) (rest.LinkPreview, error) {
	none := fault.New(fault.LinkInvalid, "this is not an invite link")
	raw, err := canonical.DecodeBase64(secret)
	if err != nil {
		return rest.LinkPreview{}, none
	}
	token := conversation.Token{Conversation: conv, LinkID: linkID, Secret: raw}.String()
	b, err := o.bearer(ctx, Caller{User: u}, token)
	if err != nil {
		return rest.LinkPreview{}, err
	}
	if channel.IsChannel(b.view) || b.view.State.Hub() != o.Server { // Channels are read on their own server.
		return rest.LinkPreview{}, none
	}
	return o.PreviewLink(ctx, Caller{User: u}, rest.LinkToken{Token: token})
}
