// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"

	"parley.chat/core/consent"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// rules judge for the users of this server.
func (o *Conversations) rules() consent.Rules {
	return consent.Rules{Self: o.Server, People: o.People, Users: o.Users, Asked: o.Asked}
}

// AcceptPeer lets the peer of a direct conversation through. It is idempotent. Faults: unknown_conversation, not_a_request,
// unavailable. spec: REQUEST-ACCEPT-1
func (o *Conversations) AcceptPeer(ctx context.Context, c Caller, conversationID string) (frame.Conversation, error) {
	v, err := o.visible(ctx, c, conversationID)
	if err == nil {
		err = direct(v, c)
	}
	if err == nil {
		err = o.accept(ctx, c, v.State.ID)
	}
	if err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

func (o *Conversations) accept(ctx context.Context, c Caller, conv id.Conversation) error {
	return o.setPrefs(ctx, c, conv, func(_ timeline.View, p *timeline.Prefs) (bool, error) {
		asked := p.Consent != "" || p.Silent || p.Hides()
		p.Accept()
		return asked, nil
	})
}

// DeclinePeer puts a request out of sight until it is accepted; who asks is told nothing. It is idempotent. Faults:
// unknown_conversation, not_a_request, unavailable. spec: REQUEST-DECLINE-1
func (o *Conversations) DeclinePeer(ctx context.Context, c Caller, conversationID string) error {
	v, err := o.visible(ctx, c, conversationID)
	if err != nil {
		return err
	}
	if err := direct(v, c); err != nil {
		return err
	}
	return o.setPrefs(ctx, c, v.State.ID, func(_ timeline.View, p *timeline.Prefs) (bool, error) {
		switch p.Consent {
		case timeline.Declined:
			return false, nil
		case timeline.Requested:
			p.Consent = timeline.Declined
			return true, nil
		}
		return false, fault.New(fault.NotARequest, "nobody asks for this conversation")
	})
}

func direct(v timeline.View, c Caller) error {
	if v.State.Peer(c.User) == "" {
		return fault.New(fault.NotARequest, "only direct conversations are asked for")
	}
	return nil
}
