// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"context"

	"parley.chat/core/account"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Users tells who exists.
type Users interface {
	// Exists tells whether the user has an active account.
	Exists(ctx context.Context, u id.User) (bool, error)
}

// Rules judge for the users of one server.
type Rules struct {
	Self   id.Server
	People *account.People
	Users  Users // of this server
}

// Direct is how a direct conversation begins for the two, as far as they are users of this server: with what each wants of the other.
// still tells whether that is so yet.
func (r Rules) Direct(ctx context.Context, maker, peer id.User) (prefs map[id.User]*timeline.Prefs, still func() bool, err error) {
	two, err := r.People.Persons(ctx, []id.User{maker, peer})
	if err != nil {
		return nil, nil, err
	}
	prefs = map[id.User]*timeline.Prefs{}
	if _, blocks := two[maker].Blocked[peer]; blocks && maker.Server() == r.Self {
		p := begun(two[maker], peer, true)
		p.Accept() // Who blocks somebody and writes to him sees that.
		prefs[maker] = p
	}
	if peer.Server() == r.Self {
		welcome, err := r.People.Welcomes(ctx, peer, maker)
		if err != nil {
			return nil, nil, err
		}
		prefs[peer] = begun(two[peer], maker, welcome)
	}
	return prefs, func() bool { return r.People.Same(peer, two[peer]) && r.People.Same(maker, two[maker]) }, nil
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

// MayAdd answers cannot_add for the first of the users who does not let the adder. spec: REQUEST-ADD-1
func (r Rules) MayAdd(ctx context.Context, adder id.User, users []id.User) error {
	for _, u := range users {
		may, err := r.People.MayAdd(ctx, u, adder)
		if err != nil {
			return err
		}
		if !may {
			return fault.New(fault.CannotAdd, "%s cannot be added by you", u)
		}
	}
	return nil
}

// Joins is how a conversation begins for a user of this server whom somebody made a member of it, on whatever server: nil prefs are
// as usual. Who joined by himself wants it. Faults: unknown_user, cannot_add. spec: FED-INVITE-3
func (r Rules) Joins(ctx context.Context, create event.Create, u, by id.User) (*timeline.Prefs, error) {
	ok, err := r.Users.Exists(ctx, u)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fault.New(fault.UnknownUser, "no such user: %s", u)
	case create.Type != event.Direct && u == by:
		return nil, nil
	case create.Type != event.Direct:
		return nil, r.MayAdd(ctx, by, []id.User{u})
	}
	peer := create.Members[0]
	if peer == u {
		peer = create.Members[len(create.Members)-1]
	}
	maker := by
	if by != u && by != peer { // Only the two make it; whoever else is named, the peer wants it.
		maker = peer
	}
	other := u
	if maker == u {
		other = peer
	}
	prefs, _, err := r.Direct(ctx, maker, other)
	return prefs[u], err
}
