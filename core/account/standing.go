// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"log/slog"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Standings keeps what moderators and operators decide about accounts. Whoever changes it tells every node (see Watch).
type Standings interface {
	// Suspend keeps an active account from acting since a time, or no longer if at is 0. ErrNotFound.
	Suspend(ctx context.Context, u id.User, at int64) error
	// SetModerator makes an active account a moderator, or no longer. ErrNotFound.
	SetModerator(ctx context.Context, u id.User, is bool) error
	// ListUsers returns accounts in order of id, active or not, at most limit after one, "" for the first.
	ListUsers(ctx context.Context, after id.User, limit int) ([]User, error)
	// Announce tells every node of the homeserver that an account is suspended or was, or that its devices ended.
	Announce(ctx context.Context, u id.User) error
}

func suspended() error {
	return fault.New(fault.AccountSuspended, "the account is suspended by the operator of this server")
}

// Suspend keeps an account from logging in and acting, and ends its sessions; its devices stay. Faults: unknown_user.
func (a *Accounts) Suspend(ctx context.Context, u id.User) error {
	return a.suspend(ctx, u, a.now())
}

// Unsuspend lets an account act again. Faults: unknown_user.
func (a *Accounts) Unsuspend(ctx context.Context, u id.User) error { return a.suspend(ctx, u, 0) }

func (a *Accounts) suspend(ctx context.Context, u id.User, at int64) error {
	if err := unknown(a.store.Suspend(ctx, u, at)); err != nil {
		return err
	}
	a.cache.purge(u, "")
	if at > 0 {
		a.revoked.Suspended(u)
	}
	return a.announce(ctx, u)
}

// announce tells the other nodes. If that fails they learn it within the life of their caches.
func (a *Accounts) announce(ctx context.Context, u id.User) error {
	if err := a.store.Announce(ctx, u); err != nil {
		a.cfg.Log.Warn("the other nodes were not told of an account", slog.String("user", string(u)), slog.Any("error", err))
	}
	return nil
}

// SetModerator makes an account a moderator, or no longer. Faults: unknown_user.
func (a *Accounts) SetModerator(ctx context.Context, u id.User, is bool) error {
	return unknown(a.store.SetModerator(ctx, u, is))
}

// ResetPassword sets a password without a proof of the old one, for an operator, and ends every device. Faults:
// invalid_field, unknown_user.
func (a *Accounts) ResetPassword(ctx context.Context, u id.User, fresh string) error {
	if err := checkPassword("password", fresh); err != nil {
		return err
	}
	was, err := a.Profile(ctx, u)
	if err != nil {
		return err
	}
	if was, err = a.store.FindUser(ctx, u); err != nil {
		return unknown(err)
	}
	p := NewPassword{User: u, Old: was.PasswordHash, Keep: "none"}
	if p.New, err = a.hasher.Hash(ctx, fresh); err != nil {
		return err
	}
	devices, err := a.store.SetPassword(ctx, p)
	if err != nil {
		return changed(err)
	}
	for _, d := range devices {
		a.ended(u, d)
	}
	return a.announce(ctx, u)
}

// ListUsers returns accounts in order of id without their password hashes.
func (a *Accounts) ListUsers(ctx context.Context, after id.User, limit int) ([]User, error) {
	list, err := a.store.ListUsers(ctx, after, limit)
	for i := range list {
		list[i].PasswordHash = ""
	}
	return list, err
}

// Stand tells whether the caller may act: their device exists and the account is not suspended. Faults: device_removed,
// account_suspended, account_deactivated.
func (a *Accounts) Stand(ctx context.Context, c Caller) error {
	u, err := a.store.FindUser(ctx, c.User)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !u.Active:
		return fault.New(fault.AccountDeactivated, "the account is deactivated")
	case err != nil:
		return err
	case u.SuspendedAt > 0:
		return suspended()
	}
	devices, err := a.store.ListDevices(ctx, c.User)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.ID == c.Device {
			return nil
		}
	}
	return fault.New(fault.DeviceRemoved, "this device was removed or logged out")
}

// unknown turns ErrNotFound into a fault.
func unknown(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fault.New(fault.UnknownUser, "no such user")
	}
	return err
}
