// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

var errToken = fault.New(fault.Unauthenticated, "this server does not know the access token")

// Authenticate tells whose access token it is. It reads the store at most once a minute for a token. The first use of a
// refreshed pair ends the pair before it. Faults: unauthenticated, token_expired,
// account_suspended.
func (a *Accounts) Authenticate(ctx context.Context, token string) (Caller, error) {
	s, h, ok := parseToken(accessPrefix, token, a.cfg.Shards)
	if !ok {
		return Caller{}, errToken
	}
	now := a.now()
	if c, ok := a.cache.get(h, now); ok {
		return c, nil
	}
	purged := a.cache.purged()
	holder, err := a.store.FindAccess(ctx, s, h)
	if errors.Is(err, ErrNotFound) {
		return Caller{}, errToken
	}
	if err != nil {
		return Caller{}, err
	}
	if holder.Barred {
		return Caller{}, suspended()
	}
	if h == holder.Tokens.Next.Access {
		return a.firstUse(ctx, s, h)
	}
	until := holder.Tokens.Current.AccessUntil
	if now >= until {
		return Caller{}, fault.New(fault.TokenExpired, "the access token is past its life")
	}
	a.cache.put(h, remembered{holder.Caller, min(until, now+cacheLife)}, purged)
	a.seen.note(holder.Caller, now)
	return holder.Caller, nil
}

func (a *Accounts) firstUse(ctx context.Context, s id.Shard, h Hash) (c Caller, err error) {
	now := a.now()
	err = a.store.ChangeTokens(ctx, s, h, func(holder Holder) (Change, error) {
		c = holder.Caller
		current, next := holder.Tokens.Current, holder.Tokens.Next
		switch {
		case h == next.Access && now < next.AccessUntil:
			return holder.Tokens.use(now), nil
		case h == current.Access && now < current.AccessUntil: // Another request was first.
			return Change{Tokens: holder.Tokens}, nil
		}
		return Change{}, fault.New(fault.TokenExpired, "the access token is past its life")
	})
	if errors.Is(err, ErrNotFound) {
		return Caller{}, errToken
	}
	if err != nil {
		return Caller{}, err
	}
	a.cache.purge(c.User, c.Device) // The old access token ended.
	a.seen.note(c, now)
	return c, nil
}

// Refresh changes a refresh token for a new pair. The token stays good until the new pair is first used; a token that was
// used up logs its device out. Faults: refresh_invalid, account_suspended.
func (a *Accounts) Refresh(ctx context.Context, token string) (Session, error) {
	s, h, ok := parseToken(refreshPrefix, token, a.cfg.Shards)
	if !ok {
		return Session{}, errRefresh
	}
	pair, out := a.issue(s)
	var done Change
	err := a.store.ChangeTokens(ctx, s, h, func(holder Holder) (c Change, err error) {
		out.Caller = holder.Caller
		if holder.Barred {
			return Change{}, suspended()
		}
		done, err = holder.refresh(h, pair, a.now())
		return done, err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Session{}, errRefresh
	case err != nil:
		return Session{}, err
	case done.Remove:
		a.ended(out.User, out.Device)
		return Session{}, errRefresh
	case done.Spend != Hash{}:
		a.cache.purge(out.User, out.Device)
	}
	return out, nil
}

// Logout ends the caller's device.
func (a *Accounts) Logout(ctx context.Context, c Caller) error {
	err := a.RemoveDevice(ctx, c.User, c.Device)
	if fault.Is(err, fault.UnknownDevice) {
		return nil // Another logout was first.
	}
	return err
}

// RemoveDevice ends a device of the user. Faults: unknown_device.
func (a *Accounts) RemoveDevice(ctx context.Context, u id.User, d id.Device) error {
	err := a.store.DeleteDevice(ctx, u, d)
	if errors.Is(err, ErrNotFound) {
		return fault.New(fault.UnknownDevice, "the account has no such device")
	}
	if err != nil {
		return err
	}
	a.ended(u, d)
	return nil
}

// Devices lists the user's devices, oldest first.
func (a *Accounts) Devices(ctx context.Context, u id.User) ([]Device, error) {
	return a.store.ListDevices(ctx, u)
}
