// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"

	"parley.chat/core/account"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// consent is how a direct conversation begins for both: with what each wants of the other. still tells whether that is so yet.
func (o *Conversations) consent(ctx context.Context, c Caller, peer id.User) (prefs map[id.User]*timeline.Prefs, still func() bool, err error) {
	two, err := o.People.Persons(ctx, []id.User{c.User, peer})
	if err != nil {
		return nil, nil, err
	}
	welcome, err := o.People.Welcomes(ctx, peer, c.User)
	if err != nil {
		return nil, nil, err
	}
	prefs = map[id.User]*timeline.Prefs{}
	if _, blocks := two[c.User].Blocked[peer]; blocks {
		p := begun(two[c.User], peer, true)
		p.Accept() // Who blocks somebody and writes to him sees that.
		prefs[c.User] = p
	}
	prefs[peer] = begun(two[peer], c.User, welcome)
	return prefs, func() bool { return o.People.Same(peer, two[peer]) && o.People.Same(c.User, two[c.User]) }, nil
}

// begun is how a direct conversation begins for one whom it was made with.
func begun(one *account.Person, peer id.User, welcome bool) *timeline.Prefs {
	_, blocked := one.Blocked[peer]
	return (*timeline.Prefs)(nil).With(timeline.View{}, timeline.Pointer{}, func(p *timeline.Prefs) {
		p.Blocked, p.Silent = blocked, true
		if !welcome {
			p.Consent = timeline.Requested
			if one.Settings.WhoMayMessage == account.Nobody {
				p.Consent = timeline.Declined
			}
		}
	})
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

// mayAdd answers cannot_add for the first user who does not let the caller. spec: REQUEST-ADD-1
func (o *Conversations) mayAdd(ctx context.Context, c Caller, users []id.User) error {
	for _, u := range users {
		may, err := o.People.MayAdd(ctx, u, c.User)
		if err != nil {
			return err
		}
		if !may {
			return fault.New(fault.CannotAdd, "%s cannot be added by you", u)
		}
	}
	return nil
}
