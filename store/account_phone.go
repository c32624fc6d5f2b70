// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

const (
	claimPhone   = `INSERT INTO phone_numbers (shard, number, user_id, claimed_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	findPhone    = `SELECT user_id, claimed_at FROM phone_numbers WHERE shard = $1 AND number = $2`
	releasePhone = `DELETE FROM phone_numbers WHERE shard = $1 AND number = $2 AND user_id = $3 AND ($4::bigint = 0 OR claimed_at = $4)`
)

// ClaimPhone gives a free number to the user.
func (s *Store) ClaimPhone(ctx context.Context, number string, u id.User, at int64) error {
	n := account.PhoneShard(number, s.count)
	tag, err := s.pool(n).Exec(ctx, claimPhone, n, number, u, at)
	if err == nil && tag.RowsAffected() == 0 {
		return account.ErrExists
	}
	return accountError("claim phone number", err)
}

// FindPhone returns who has the number since when.
func (s *Store) FindPhone(ctx context.Context, number string) (u id.User, at int64, err error) {
	n := account.PhoneShard(number, s.count)
	err = s.pool(n).QueryRow(ctx, findPhone, n, number).Scan(&u, &at)
	return u, at, accountError("find phone number", err)
}

// ReleasePhone frees the number if the user has it since that time, or since any time if at is 0.
func (s *Store) ReleasePhone(ctx context.Context, number string, u id.User, at int64) error {
	n := account.PhoneShard(number, s.count)
	_, err := s.pool(n).Exec(ctx, releasePhone, n, number, u, at)
	return accountError("release phone number", err)
}

const (
	putRegistration    = `INSERT INTO registration_tokens (shard, hash, uses_left, until) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	useRegistration    = `UPDATE registration_tokens SET uses_left = uses_left - 1 WHERE shard = $1 AND hash = $2 AND uses_left > 0 AND until > $3`
	returnRegistration = `UPDATE registration_tokens SET uses_left = uses_left + 1 WHERE shard = $1 AND hash = $2`
)

// PutRegistrationToken lets so many people register until then.
func (s *Store) PutRegistrationToken(ctx context.Context, h account.Hash, uses int, until int64) error {
	n := h.Shard(s.count)
	_, err := s.pool(n).Exec(ctx, putRegistration, n, h[:], uses, until)
	return accountError("put registration token", err)
}

// UseRegistrationToken takes one use.
func (s *Store) UseRegistrationToken(ctx context.Context, h account.Hash, now int64) error {
	n := h.Shard(s.count)
	tag, err := s.pool(n).Exec(ctx, useRegistration, n, h[:], now)
	if err == nil && tag.RowsAffected() == 0 {
		return account.ErrNotFound
	}
	return accountError("use registration token", err)
}

// ReturnRegistrationToken gives a use back.
func (s *Store) ReturnRegistrationToken(ctx context.Context, h account.Hash) error {
	n := h.Shard(s.count)
	_, err := s.pool(n).Exec(ctx, returnRegistration, n, h[:])
	return accountError("return registration token", err)
}
