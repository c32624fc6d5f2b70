// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

const insertDevice = `
INSERT INTO devices (shard, user_id, device_id, name, created_at, last_seen_at, access_hash, refresh_hash, access_until, refresh_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

// renewDevice has the parameters of insertDevice. The older created_at wins, and the name stays if the new one is empty.
const renewDevice = `
UPDATE devices SET name = coalesce(nullif($4, ''), name), created_at = least(created_at, $5),
  last_seen_at = greatest(last_seen_at, $6), access_hash = $7, refresh_hash = $8, access_until = $9, refresh_until = $10,
  next_access_hash = NULL, next_refresh_hash = NULL, next_access_until = 0, next_refresh_until = 0
WHERE shard = $1 AND user_id = $2 AND device_id = $3`

func execDevice(ctx context.Context, tx pgx.Tx, query string, n id.Shard, u id.User, d account.Device, t account.Tokens) error {
	p := t.Current
	tag, err := tx.Exec(ctx, query, n, u, d.ID, d.Name, d.CreatedAt, d.LastSeenAt, p.Access[:], p.Refresh[:], p.AccessUntil, p.RefreshUntil)
	if err == nil && tag.RowsAffected() == 0 {
		return account.ErrNotFound
	}
	return err
}

// lockPassword holds off a change of the password until the login that proved it is committed.
const lockPassword = `SELECT password_hash = $3 AND active FROM users WHERE shard = $1 AND user_id = $2 FOR SHARE`

// PutLogin puts fresh tokens on a device, while the password is the one that was proved.
func (s *Store) PutLogin(ctx context.Context, l account.NewLogin) error {
	pool, n := s.userPool(l.User)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var same bool
		err := tx.QueryRow(ctx, lockPassword, n, l.User, l.PasswordHash).Scan(&same)
		if errors.Is(err, pgx.ErrNoRows) || (err == nil && !same) {
			return account.ErrChanged
		}
		if err != nil {
			return err
		}
		if !l.Known {
			return execDevice(ctx, tx, insertDevice, n, l.User, l.Device, l.Tokens)
		}
		if err := execDevice(ctx, tx, renewDevice, n, l.User, l.Device, l.Tokens); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, deleteTokens, n, l.User, l.Device.ID)
		return err
	})
	return accountError("put login", err)
}

const listDevices = `
SELECT device_id, name, created_at, last_seen_at FROM devices WHERE shard = $1 AND user_id = $2 ORDER BY created_at, device_id`

// ListDevices returns the user's devices, oldest first.
func (s *Store) ListDevices(ctx context.Context, u id.User) ([]account.Device, error) {
	pool, n := s.userPool(u)
	rows, err := pool.Query(ctx, listDevices, n, u)
	if err != nil {
		return nil, accountError("list devices", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[account.Device])
	return out, accountError("list devices", err)
}

const (
	deleteDevice = `DELETE FROM devices WHERE shard = $1 AND user_id = $2 AND device_id = $3`
	deleteTokens = `DELETE FROM spent_tokens WHERE shard = $1 AND user_id = $2 AND device_id = $3`
	deleteOthers = `DELETE FROM devices WHERE shard = $1 AND user_id = $2 AND device_id <> $3 RETURNING device_id`
	deleteStray  = `DELETE FROM spent_tokens WHERE shard = $1 AND user_id = $2 AND device_id <> $3`
)

// DeleteDevice removes a device with its tokens and tickets.
func (s *Store) DeleteDevice(ctx context.Context, u id.User, d id.Device) error {
	pool, n := s.userPool(u)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return removeDevice(ctx, tx, n, account.Caller{User: u, Device: d}) })
	return accountError("delete device", err)
}

func removeDevice(ctx context.Context, tx pgx.Tx, n id.Shard, c account.Caller) error {
	tag, err := tx.Exec(ctx, deleteDevice, n, c.User, c.Device)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return account.ErrNotFound
	}
	_, err = tx.Exec(ctx, deleteTokens, n, c.User, c.Device)
	return err
}

// deleteDevices removes all devices of the user but one.
func deleteDevices(ctx context.Context, tx pgx.Tx, n id.Shard, u id.User, keep id.Device) ([]id.Device, error) {
	rows, err := tx.Query(ctx, deleteOthers, n, u, keep)
	if err != nil {
		return nil, err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[id.Device])
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, deleteStray, n, u, keep)
	return ended, err
}

// touchDevices passes over locked rows: it holds many locks, so it must never wait for one.
const touchDevices = `
UPDATE devices d SET last_seen_at = f.seen
FROM (
  SELECT o.shard, o.user_id, o.device_id, v.seen
  FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) AS v (shard, user_id, device_id, seen)
  JOIN devices o ON o.shard = v.shard AND o.user_id = v.user_id AND o.device_id = v.device_id AND o.last_seen_at < v.seen
  FOR UPDATE OF o SKIP LOCKED
) f
WHERE d.shard = f.shard AND d.user_id = f.user_id AND d.device_id = f.device_id`

// TouchDevices raises LastSeenAt, with one statement for each database.
func (s *Store) TouchDevices(ctx context.Context, seen map[account.Caller]int64) error {
	type batch struct {
		shards         []int32
		users, devices []string
		seen           []int64
	}
	batches := map[*database]*batch{}
	for c, at := range seen {
		n := c.User.Shard(s.count)
		b := batches[s.byShard[n]]
		if b == nil {
			b = &batch{}
			batches[s.byShard[n]] = b
		}
		b.shards, b.users = append(b.shards, int32(n)), append(b.users, string(c.User))
		b.devices, b.seen = append(b.devices, string(c.Device)), append(b.seen, at)
	}
	var errs []error
	for db, b := range batches {
		_, err := db.pool.Exec(ctx, touchDevices, b.shards, b.users, b.devices, b.seen)
		errs = append(errs, accountError("touch devices", err))
	}
	return errors.Join(errs...)
}

var sweeps = [...]string{
	`DELETE FROM spent_tokens WHERE shard = $1 AND until < $2`,
	`DELETE FROM registration_tokens WHERE shard = $1 AND until < $2`,
	`DELETE FROM devices WHERE shard = $1 AND greatest(refresh_until, next_refresh_until) < $2`,
}

// Sweep deletes what ended before now, shard by shard.
func (s *Store) Sweep(ctx context.Context, now int64) error {
	for n, db := range s.byShard {
		for _, q := range sweeps {
			if _, err := db.pool.Exec(ctx, q, n, now); err != nil {
				return accountError("sweep", err)
			}
		}
	}
	return nil
}
