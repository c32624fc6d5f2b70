// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"

	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// Others asks other servers about their users and conversations. All faults may be server_unreachable, server_refused and
// rate_limited too.
type Others interface {
	// Profile answers how a user is shown to the viewer. Faults: unknown_user.
	Profile(ctx context.Context, viewer, u id.User) (rest.Profile, error)
	// MayInvite tells whether the inviter may make the users members. Faults: unknown_user, cannot_add.
	MayInvite(ctx context.Context, create event.Create, inviter id.User, users []id.User) error
	// Preview asks the hub what the bearer of an invite link may see. Faults: as PreviewLink.
	Preview(ctx context.Context, hub id.Server, in replica.AskLink) (rest.LinkPreview, error)
}

// Joiner asks the hub of a conversation, which need not be known here, to let a user join by a link.
type Joiner interface {
	// Join returns when the conversation is there, if the user is a member now. The secret is in base64url. Faults:
	// hub_unavailable and those of the hub.
	Join(ctx context.Context, hub id.Server, cmd timeline.Command, secret string) (timeline.Result, error)
}

// isHere tells whether the user is one of this server.
func (o *Conversations) isHere(u id.User) bool { return o.Others == nil || u.Server() == o.Server }

// invite refuses what those who are to be members do not let the caller do. Who of this server exists is known already; the other
// servers answer for theirs. spec: REQUEST-ADD-1 FED-INVITE-1
func (o *Conversations) invite(ctx context.Context, c Caller, create event.Create, users []id.User) error {
	var here, far []id.User
	for _, u := range users {
		if o.isHere(u) {
			here = append(here, u)
		} else {
			far = append(far, u)
		}
	}
	if create.Type == event.Direct {
		here = nil // Who does not want it is asked in private.
	}
	if err := o.rules().MayAdd(ctx, c.User, here); err != nil || len(far) == 0 {
		return err
	}
	if create.Type == event.Direct {
		if there, err := o.isThere(ctx, create); there || err != nil {
			return err
		}
	}
	return o.Others.MayInvite(ctx, create, c.User, far)
}

// isThere tells whether the conversation exists already, so that the other server need not be asked.
func (o *Conversations) isThere(ctx context.Context, create event.Create) (bool, error) {
	raw, err := create.Canonical()
	if err != nil {
		return false, err
	}
	_, err = o.Timeline.View(ctx, event.ConversationID(raw))
	if fault.Is(err, fault.UnknownConversation) {
		return false, nil
	}
	return err == nil, err
}

// subscribable refuses users of other servers: channels are read on their own.
func (o *Conversations) subscribable(u id.User) error {
	if o.isHere(u) {
		return nil
	}
	return fault.New(fault.UnknownUser, "%s is on another server, and channels are read on their own", u)
}
