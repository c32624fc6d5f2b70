// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// orphanAge is how old a claim must be before its absence from the user's row tells that a crash left it behind.
const orphanAge = time.Minute

// claimPhone gives the number to the user, or answers phone_number_taken. The number's shard is another than the user's,
// so a crash between the two can leave a claim that no user has; it is taken over here.
func (a *Accounts) claimPhone(ctx context.Context, number string, u id.User) error {
	err := a.store.ClaimPhone(ctx, number, u, a.now())
	if !errors.Is(err, ErrExists) {
		return err
	}
	orphan, err := a.releaseOrphan(ctx, number)
	if err != nil {
		return err
	}
	if orphan {
		err = a.store.ClaimPhone(ctx, number, u, a.now())
		if !errors.Is(err, ErrExists) {
			return err
		}
	}
	return fault.New(fault.PhoneNumberTaken, "the phone number belongs to another account")
}

func (a *Accounts) releaseOrphan(ctx context.Context, number string) (bool, error) {
	owner, at, err := a.store.FindPhone(ctx, number)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil || a.now()-at < orphanAge.Milliseconds() {
		return false, err
	}
	u, err := a.store.FindUser(ctx, owner)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if err == nil && u.Active && u.Phone == number {
		return false, nil
	}
	return true, a.store.ReleasePhone(ctx, number, owner, at)
}

// releasePhone gives a number back after the user's row let go of it. A failure leaves an orphan, which heals.
func (a *Accounts) releasePhone(ctx context.Context, number string, u id.User) {
	if number == "" {
		return
	}
	if err := a.store.ReleasePhone(context.WithoutCancel(ctx), number, u, 0); err != nil {
		a.cfg.Log.Warn("phone number not released", slog.String("user", string(u)), slog.Any("error", err))
	}
}
