// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"net/netip"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Profile returns an active account of this server, with its phone number and without its password hash; whoever shows it
// to others leaves the number out. Faults: unknown_user.
func (a *Accounts) Profile(ctx context.Context, u id.User) (User, error) {
	unknown := fault.New(fault.UnknownUser, "no such user")
	if u.Server() != a.cfg.Server {
		return User{}, unknown
	}
	got, err := a.store.FindUser(ctx, u)
	if errors.Is(err, ErrNotFound) || (err == nil && !got.Active) {
		return User{}, unknown
	}
	got.PasswordHash = ""
	return got, err
}

// Exists tells whether the user has an active account here.
func (a *Accounts) Exists(ctx context.Context, u id.User) (bool, error) {
	_, err := a.Profile(ctx, u)
	if fault.Is(err, fault.UnknownUser) {
		return false, nil
	}
	return err == nil, err
}

// EditProfile changes what e names and returns the account as it is then. Faults: invalid_field, phone_number_taken,
// rate_limited, unknown_user.
func (a *Accounts) EditProfile(ctx context.Context, u id.User, e Edit) (User, error) {
	before, err := a.Profile(ctx, u)
	if err != nil {
		return User{}, err
	}
	if e.Phone != nil && *e.Phone != "" {
		number, err := ParsePhone(*e.Phone)
		if err != nil {
			return User{}, err
		}
		if e.Phone = &number; number == before.Phone {
			e.Phone = nil
		} else if err := a.newPhone(ctx, number, u); err != nil {
			return User{}, err
		}
	}
	return a.editAndRelease(ctx, u, e)
}

// newPhone claims a number for an account that changes its own, if it does not try too many. spec: ACC-PHONE-2
func (a *Accounts) newPhone(ctx context.Context, number string, u id.User) error {
	if err := a.limits.phones.take(string(u), a.cfg.Now()); err != nil {
		return err
	}
	return a.claimPhone(ctx, number, u)
}

// editAndRelease writes the edit, then gives back the number that is no longer used. When the outcome is unknown it leaves
// the claim alone, which heals if the edit was not written.
func (a *Accounts) editAndRelease(ctx context.Context, u id.User, e Edit) (User, error) {
	before, err := a.store.UpdateProfile(ctx, u, e)
	if errors.Is(err, ErrNotFound) {
		if e.Phone != nil {
			a.releasePhone(ctx, *e.Phone, u)
		}
		err = fault.New(fault.UnknownUser, "no such user").Because(err)
	}
	if err != nil {
		return User{}, err
	}
	if e.Phone != nil && *e.Phone != before.Phone {
		a.releasePhone(ctx, before.Phone, u)
	}
	return a.Profile(ctx, u)
}

// ChangePassword sets a new password after a fresh proof of the old one. Other devices end unless keep is set. Faults:
// invalid_field, wrong_credentials, rate_limited, unavailable.
func (a *Accounts) ChangePassword(ctx context.Context, c Caller, current, fresh string, keep bool) error {
	if err := checkPassword("newPassword", fresh); err != nil {
		return err
	}
	u, err := a.proveCaller(ctx, c, "currentPassword", current)
	if err != nil {
		return err
	}
	p := NewPassword{User: c.User, Old: u.PasswordHash, Keep: c.Device}
	if keep {
		p.Keep = ""
	}
	if p.New, err = a.hasher.Hash(ctx, fresh); err != nil {
		return err
	}
	devices, err := a.store.SetPassword(ctx, p)
	if err != nil {
		return changed(err)
	}
	for _, d := range devices {
		a.ended(c.User, d)
	}
	return nil
}

// Deactivate ends the account for good after a fresh proof of the password; its name is never given out again. Faults:
// invalid_field, wrong_credentials, rate_limited, unavailable.
func (a *Accounts) Deactivate(ctx context.Context, c Caller, password string) error {
	u, err := a.proveCaller(ctx, c, "password", password)
	if err != nil {
		return err
	}
	if err := a.store.Deactivate(ctx, c.User, u.PasswordHash); err != nil {
		return changed(err)
	}
	a.ended(c.User, "")
	a.releasePhone(ctx, u.Phone, c.User)
	return nil
}

// Prove tells whether it is the caller's password, and counts as a login. Faults: invalid_field, wrong_credentials,
// rate_limited, unavailable.
func (a *Accounts) Prove(ctx context.Context, c Caller, password string) error {
	_, err := a.proveCaller(ctx, c, "password", password)
	return err
}

// proveCaller counts as a login of the account: a stolen access token must not guess faster.
func (a *Accounts) proveCaller(ctx context.Context, c Caller, field, password string) (User, error) {
	if password == "" {
		return User{}, fault.Invalid(field, "is missing")
	}
	if err := a.allowLogin(netip.Addr{}, string(c.User)); err != nil {
		return User{}, err
	}
	return a.prove(ctx, c.User, field, password)
}
