// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// Exists tells whether a user of another server exists. Faults: server_unreachable, server_refused, rate_limited.
// spec: FED-USERS-4
func (d *Directory) Exists(ctx context.Context, u id.User) (bool, error) {
	if known, ok := d.exists.get(u); ok {
		return known, nil
	}
	_, ok, err := d.find(ctx, lookup{user: u})
	return ok, err
}

// Profile answers how a user of another server is shown to one of this server. Faults: unknown_user, server_unreachable,
// server_refused, rate_limited.
func (d *Directory) Profile(ctx context.Context, viewer, u id.User) (rest.Profile, error) {
	if p, ok := d.profiles.get(lookup{viewer, u}); ok {
		return p.shown(u), nil
	}
	known, kept := d.exists.get(u)
	if kept && !known {
		return rest.Profile{}, fault.New(fault.UnknownUser, "no such user")
	}
	p, ok, err := d.find(ctx, lookup{viewer, u})
	if err == nil && !ok {
		err = fault.New(fault.UnknownUser, "no such user")
	}
	return p.shown(u), err
}

// shown is the profile as clients get it, with the username where there is no other name.
func (p Profile) shown(u id.User) rest.Profile {
	out := rest.Profile{UserID: string(u), DisplayName: p.DisplayName, AvatarURL: p.AvatarURL}
	if out.DisplayName == "" {
		out.DisplayName = u.Username()
	}
	return out
}

// find asks about one user, once for all who want to know it now. The question goes on if one of them is gone.
func (d *Directory) find(ctx context.Context, l lookup) (p Profile, ok bool, err error) {
	flight := d.flights.DoChan(string(l.viewer)+" "+string(l.user), func() (any, error) {
		return d.askUser(context.WithoutCancel(ctx), l)
	})
	select {
	case res := <-flight:
		if res.Err != nil {
			return p, false, res.Err
		}
		got, _ := res.Val.(*Profile)
		if got == nil {
			return p, false, nil
		}
		return *got, true, nil
	case <-ctx.Done():
		return p, false, fault.New(fault.Unavailable, "the question was given up").Because(ctx.Err())
	}
}

// askUser returns nil for who does not exist, and keeps the answer.
func (d *Directory) askUser(ctx context.Context, l lookup) (*Profile, error) {
	to := l.user.Server()
	var out replica.Users
	asker := l.viewer
	if asker == "" {
		asker = anyone
	}
	err := d.ask(ctx, question{asker, to, replica.UsersPath}, replica.AskUsers{UserIDs: []id.User{l.user}, ViewerID: l.viewer}, &out)
	switch {
	case fault.Is(err, fault.UnknownUser): // There is no such server.
		d.exists.put(l.user, false, unknownLife)
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.Users) != 1 || out.Users[0].UserID != l.user:
		return nil, unreachable(to, firstPause).Because(errors.New("the answer is about others"))
	case out.Users[0].Code != "":
		d.exists.put(l.user, false, unknownLife)
		return nil, nil
	}
	p := Profile{DisplayName: out.Users[0].DisplayName, AvatarURL: out.Users[0].AvatarURL}
	d.exists.put(l.user, true, knownLife)
	if l.viewer != "" {
		d.profiles.put(l, p, knownLife)
	}
	return &p, nil
}

// MayInvite asks the servers of users of other servers whether the inviter, a user of this one, may make them members: each server
// once for all its users, or for 100 of them. For an inviter of another server that server asks, and the answer here is yes. Faults: unknown_user and cannot_add for the first in order of user id,
// server_unreachable, server_refused, rate_limited. spec: FED-INVITE-1
func (d *Directory) MayInvite(ctx context.Context, create event.Create, inviter id.User, users []id.User) error {
	if !d.IsHere(inviter) {
		return nil
	}
	by := byServer(users)
	if len(by) > maxInvited {
		return fault.Invalid("members", "must be of at most %d other servers at a time", maxInvited)
	}
	ctx, cancel := context.WithTimeout(ctx, inviteTime)
	defer cancel()
	var mu sync.Mutex
	refused := map[id.User]string{}
	eg, gctx := errgroup.WithContext(ctx)
	eg.SetLimit(serversAside)
	for server, all := range by {
		for part := range slices.Chunk(all, replica.MaxUsers) {
			eg.Go(func() error {
				codes, err := d.askInvite(gctx, server, replica.AskInvite{Create: create, InviterID: inviter, UserIDs: part})
				mu.Lock()
				defer mu.Unlock()
				for u, code := range codes {
					refused[u] = code
				}
				return err
			})
		}
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for _, u := range slices.Sorted(slices.Values(users)) {
		switch refused[u] {
		case "":
		case string(fault.UnknownUser):
			return fault.New(fault.UnknownUser, "no such user: %s", u)
		default:
			return fault.New(fault.CannotAdd, "%s cannot be added by you", u)
		}
	}
	return nil
}

// askInvite returns the codes of those who cannot be added.
func (d *Directory) askInvite(ctx context.Context, to id.Server, in replica.AskInvite) (map[id.User]string, error) {
	var out replica.Invited
	refused := map[id.User]string{}
	err := d.ask(ctx, question{in.InviterID, to, replica.InvitesPath}, in, &out)
	if fault.Is(err, fault.UnknownUser) {
		for _, u := range in.UserIDs {
			refused[u] = string(fault.UnknownUser)
		}
		return refused, nil
	}
	if err != nil {
		return nil, err
	}
	if len(out.Results) != len(in.UserIDs) {
		return nil, unreachable(to, firstPause).Because(fmt.Errorf("%d results for %d users", len(out.Results), len(in.UserIDs)))
	}
	for i, r := range out.Results {
		if r.UserID != in.UserIDs[i] {
			return nil, unreachable(to, firstPause).Because(errors.New("the answer is about others"))
		}
		if r.Code != "" {
			refused[r.UserID] = r.Code
		}
		if r.Code == string(fault.UnknownUser) {
			d.exists.put(r.UserID, false, unknownLife)
		} else {
			d.exists.put(r.UserID, true, knownLife)
		}
	}
	return refused, nil
}
