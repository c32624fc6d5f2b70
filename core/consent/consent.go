// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"context"

	"parley.chat/core/account"
	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
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
	Users  Users  // of this server
	Asked  *Asked // may be nil
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
// as usual. s is the state that says what the conversation is and who asked to join it. Who joined by himself, or asked to, wants it.
// Faults: unknown_user, cannot_add. spec: FED-INVITE-3
func (r Rules) Joins(ctx context.Context, s *conversation.State, u, by id.User) (*timeline.Prefs, error) {
	if err := r.exists(ctx, u); err != nil {
		return nil, err
	}
	switch {
	case s.Type() == event.Direct:
		return r.joinsDirect(ctx, s.Create.Members, u, by)
	case u == by, s.Info.Requested(u), r.Asked.take(s.ID, u):
		return nil, nil
	}
	return nil, r.MayAdd(ctx, by, []id.User{u})
}

func (r Rules) joinsDirect(ctx context.Context, two []id.User, u, by id.User) (*timeline.Prefs, error) {
	peer := two[0]
	if peer == u {
		peer = two[len(two)-1]
	}
	maker, other := peer, u // Whoever else is named: only the two make it, and he did not.
	if by == u {
		maker, other = u, peer
	}
	prefs, _, err := r.Direct(ctx, maker, other)
	return prefs[u], err
}

// Admit judges a command of a user of another server to a conversation that is ordered here, as far as it makes users of this server
// members: it refuses, or sets how the conversation begins for them. s is the state it is to follow, nil before create. Faults:
// unknown_user, cannot_add. spec: FED-INVITE-5
func (r Rules) Admit(ctx context.Context, s *conversation.State, cmd *timeline.Command) error {
	users := cmd.Create.Members
	switch {
	case cmd.Type == frame.TypeMemberAdd:
		users = nil
		for _, u := range cmd.Change.UserIDs {
			users = append(users, id.User(u))
		}
	case cmd.Type != frame.TypeCreate:
		return nil
	}
	var added []id.User
	for _, u := range users {
		if u.Server() != r.Self || u == cmd.Sender {
			continue
		}
		if err := r.exists(ctx, u); err != nil {
			return err
		}
		if s == nil || !s.Info.Requested(u) {
			added = append(added, u)
		}
	}
	if cmd.Type == frame.TypeCreate && cmd.Create.Type == event.Direct {
		if len(added) == 0 {
			return nil
		}
		var err error
		cmd.Prefs, cmd.Still, err = r.Direct(ctx, cmd.Sender, added[0])
		return err
	}
	return r.MayAdd(ctx, cmd.Sender, added)
}

func (r Rules) exists(ctx context.Context, u id.User) error {
	ok, err := r.Users.Exists(ctx, u)
	if err == nil && !ok {
		err = fault.New(fault.UnknownUser, "no such user: %s", u)
	}
	return err
}
