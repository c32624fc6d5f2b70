// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Credentials is a wish to log in. Username is a username or a full user id.
type Credentials struct {
	Username, Password string
	Device             id.Device // a device to keep, if the user still has it
	DeviceName         string    // empty leaves the name of a kept device
}

var errCredentials = fault.New(fault.WrongCredentials, "username and password do not match an active account")

// Login makes tokens for a new device or for a kept one, whose old tokens end. A wrong password and an unknown user take
// the same work. Faults: invalid_field, wrong_credentials, account_suspended, rate_limited, unavailable.
func (a *Accounts) Login(ctx context.Context, from netip.Addr, in Credentials) (Session, error) {
	user, err := a.resolve(in.Username)
	if err != nil {
		return Session{}, err
	}
	if err := a.allowLogin(from, string(user)); err != nil {
		return Session{}, err
	}
	u, err := a.prove(ctx, user, "password", in.Password)
	if err != nil {
		return Session{}, err
	}
	if u.SuspendedAt > 0 {
		return Session{}, suspended()
	}
	pair, s := a.issue(user.Shard(a.cfg.Shards))
	l := NewLogin{User: user, PasswordHash: u.PasswordHash, Tokens: Tokens{Current: pair}}
	if in.Device != "" {
		l.Known, l.Device = true, a.newDevice(in.DeviceName)
		l.Device.ID, l.Device.LastSeenAt = in.Device, coarse(a.now())
		err = a.store.PutLogin(ctx, l)
	}
	if in.Device == "" || errors.Is(err, ErrNotFound) {
		l.Known, l.Device = false, a.newDevice(in.DeviceName)
		err = a.store.PutLogin(ctx, l)
	}
	if err != nil {
		return Session{}, changed(err)
	}
	if l.Known {
		a.ended(user, l.Device.ID) // The device goes on, but not what used its old tokens.
	}
	s.Caller = Caller{user, l.Device.ID}
	return s, nil
}

// resolve reads a username or a full user id, with either kind of letters.
func (a *Accounts) resolve(username string) (id.User, error) {
	name, server, full := strings.Cut(strings.ToLower(username), "@")
	name, err := id.NormalizeUsername(name)
	if err != nil {
		return "", err
	}
	if full && server != string(a.cfg.Server) {
		return "", errCredentials // No account here has such a name; there is nothing to hide.
	}
	return id.NewUser(name, a.cfg.Server), nil
}

// prove checks a password and returns the account. A hash with old parameters is replaced on the way.
func (a *Accounts) prove(ctx context.Context, user id.User, field, password string) (User, error) {
	if len(password) > maxPassword {
		return User{}, fault.Invalid(field, "must be at most %d bytes", maxPassword)
	}
	u, err := a.store.FindUser(ctx, user)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, err
	}
	if err != nil || !u.Active {
		u = User{} // An empty hash costs the same and matches nothing.
	}
	ok, stale, err := a.hasher.Verify(ctx, u.PasswordHash, password)
	if err != nil {
		return User{}, err
	}
	if !ok {
		return User{}, errCredentials
	}
	if stale {
		return a.upgrade(ctx, u, password)
	}
	return u, nil
}

func (a *Accounts) upgrade(ctx context.Context, u User, password string) (User, error) {
	phc, err := a.hasher.Hash(ctx, password)
	if fault.Is(err, fault.RateLimited) {
		return u, nil // The next login is soon enough.
	}
	if err != nil {
		return User{}, err
	}
	if _, err := a.store.SetPassword(ctx, NewPassword{User: u.ID, Old: u.PasswordHash, New: phc}); err != nil {
		return User{}, changed(err)
	}
	u.PasswordHash = phc
	return u, nil
}
