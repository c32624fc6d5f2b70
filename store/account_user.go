// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

var _ account.Store = (*Store)(nil)

const insertUser = `
INSERT INTO users (shard, user_id, display_name, avatar_url, phone, password_hash, created_at, active)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING`

// InsertUser adds a user with a first device, both or none.
func (s *Store) InsertUser(ctx context.Context, u account.User, d account.Device, t account.Tokens) error {
	pool, n := s.userPool(u.ID)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertUser, n, u.ID, u.DisplayName, u.AvatarURL, u.Phone, u.PasswordHash, u.CreatedAt, u.Active)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return account.ErrExists
		}
		return execDevice(ctx, tx, insertDevice, n, u.ID, d, t)
	})
	return accountError("insert user", err)
}

const findUser = `
SELECT ` + userColumns + ` FROM users WHERE shard = $1 AND user_id = $2`

const userColumns = `user_id, display_name, avatar_url, phone, password_hash, created_at, active, suspended_at, moderator`

// FindUser returns an account, active or not.
func (s *Store) FindUser(ctx context.Context, u id.User) (account.User, error) {
	pool, n := s.userPool(u)
	got, err := scanUser(pool.QueryRow(ctx, findUser, n, u))
	return got, accountError("find user", err)
}

func scanUser(row pgx.Row) (u account.User, err error) {
	err = row.Scan(&u.ID, &u.DisplayName, &u.AvatarURL, &u.Phone, &u.PasswordHash, &u.CreatedAt, &u.Active, &u.SuspendedAt, &u.Moderator)
	return u, err
}

const updateProfile = `
UPDATE users SET display_name = coalesce($3, display_name), avatar_url = coalesce($4, avatar_url), phone = coalesce($5, phone)
WHERE shard = $1 AND user_id = $2 AND active`

// UpdateProfile returns the account before the edit.
func (s *Store) UpdateProfile(ctx context.Context, u id.User, e account.Edit) (before account.User, err error) {
	pool, n := s.userPool(u)
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if before, err = scanUser(tx.QueryRow(ctx, findUser+` AND active FOR UPDATE`, n, u)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, updateProfile, n, u, e.DisplayName, e.AvatarURL, e.Phone)
		return err
	})
	return before, accountError("update profile", err)
}

const setPassword = `
UPDATE users SET password_hash = $4 WHERE shard = $1 AND user_id = $2 AND password_hash = $3 AND active`

// SetPassword returns the devices it ended.
func (s *Store) SetPassword(ctx context.Context, p account.NewPassword) (ended []id.Device, err error) {
	pool, n := s.userPool(p.User)
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, setPassword, n, p.User, p.Old, p.New)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return account.ErrChanged
		}
		if p.Keep == "" {
			return nil
		}
		ended, err = deleteDevices(ctx, tx, n, p.User, p.Keep)
		return err
	})
	return ended, accountError("set password", err)
}

const deactivateUser = `
UPDATE users SET active = false, password_hash = '', display_name = '', avatar_url = '', phone = '', last_seen_at = 0,
  suspended_at = 0, moderator = false
WHERE shard = $1 AND user_id = $2 AND password_hash = $3 AND active`

// Deactivate ends the account and every device, clears the profile, keeps the name.
func (s *Store) Deactivate(ctx context.Context, u id.User, passwordHash string) error {
	pool, n := s.userPool(u)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, deactivateUser, n, u, passwordHash)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return account.ErrChanged
		}
		_, err = deleteDevices(ctx, tx, n, u, "")
		return err
	})
	return accountError("deactivate", err)
}

// accountError keeps the answers core knows apart from the plain errors, and wraps those.
func accountError(what string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return account.ErrNotFound
	}
	if err == nil || errors.Is(err, account.ErrExists) || errors.Is(err, account.ErrChanged) || errors.Is(err, account.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}
