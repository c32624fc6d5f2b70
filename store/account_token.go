// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

const selectHolder = `
SELECT user_id, device_id, access_hash, refresh_hash, access_until, refresh_until,
  next_access_hash, next_refresh_hash, next_access_until, next_refresh_until,
  EXISTS (SELECT 1 FROM users u WHERE u.shard = devices.shard AND u.user_id = devices.user_id AND u.suspended_at > 0)
FROM devices WHERE shard = $1 AND `

const (
	findAccess = selectHolder + `(access_hash = $2 OR next_access_hash = $2)`
	lockHolder = selectHolder + `(access_hash = $2 OR next_access_hash = $2 OR refresh_hash = $2 OR next_refresh_hash = $2) FOR UPDATE`
	findSpent  = `SELECT user_id, device_id FROM spent_tokens WHERE shard = $1 AND hash = $2 AND kind = 'refresh'`
)

// FindAccess returns the device whose current or next access token has the hash.
func (s *Store) FindAccess(ctx context.Context, n id.Shard, h account.Hash) (account.Holder, error) {
	holder, err := scanHolder(s.pool(n).QueryRow(ctx, findAccess, n, h[:]))
	return holder, accountError("find access token", err)
}

// ChangeTokens locks the device that holds the token, lets change decide, and writes that.
func (s *Store) ChangeTokens(ctx context.Context, n id.Shard, h account.Hash, change func(account.Holder) (account.Change, error)) error {
	var refused error
	err := pgx.BeginFunc(ctx, s.pool(n), func(tx pgx.Tx) error {
		holder, err := scanHolder(tx.QueryRow(ctx, lockHolder, n, h[:]))
		if errors.Is(err, pgx.ErrNoRows) {
			holder = account.Holder{Spent: true}
			err = tx.QueryRow(ctx, findSpent, n, h[:]).Scan(&holder.User, &holder.Device)
		}
		if err != nil {
			return err
		}
		c, err := change(holder)
		if err != nil {
			refused = err
			return err
		}
		return writeChange(ctx, tx, n, holder, c)
	})
	if refused != nil {
		return refused
	}
	return accountError("change tokens", err)
}

const (
	updateTokens = `
UPDATE devices SET access_hash = $4, refresh_hash = $5, access_until = $6, refresh_until = $7,
  next_access_hash = $8, next_refresh_hash = $9, next_access_until = $10, next_refresh_until = $11
WHERE shard = $1 AND user_id = $2 AND device_id = $3`
	insertSpent = `
INSERT INTO spent_tokens (shard, hash, kind, user_id, device_id, origin, until) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

func writeChange(ctx context.Context, tx pgx.Tx, n id.Shard, was account.Holder, c account.Change) error {
	if c.Remove {
		return removeDevice(ctx, tx, n, was.Caller)
	}
	if c.Tokens == was.Tokens {
		return nil
	}
	p, next := c.Tokens.Current, c.Tokens.Next
	_, err := tx.Exec(ctx, updateTokens, n, was.User, was.Device, p.Access[:], p.Refresh[:], p.AccessUntil, p.RefreshUntil,
		hashOrNull(next.Access), hashOrNull(next.Refresh), next.AccessUntil, next.RefreshUntil)
	if err != nil || c.Spend == (account.Hash{}) {
		return err
	}
	_, err = tx.Exec(ctx, insertSpent, n, c.Spend[:], "refresh", was.User, was.Device, "", c.SpendUntil)
	return err
}

func scanHolder(row pgx.Row) (h account.Holder, err error) {
	var access, refresh, nextAccess, nextRefresh []byte
	p, next := &h.Tokens.Current, &h.Tokens.Next
	err = row.Scan(&h.User, &h.Device, &access, &refresh, &p.AccessUntil, &p.RefreshUntil,
		&nextAccess, &nextRefresh, &next.AccessUntil, &next.RefreshUntil, &h.Barred)
	copy(p.Access[:], access)
	copy(p.Refresh[:], refresh)
	copy(next.Access[:], nextAccess)
	copy(next.Refresh[:], nextRefresh)
	return h, err
}

func hashOrNull(h account.Hash) []byte {
	if h == (account.Hash{}) {
		return nil
	}
	return h[:]
}

// PutTicket keeps a socket ticket.
func (s *Store) PutTicket(ctx context.Context, h account.Hash, t account.Ticket) error {
	pool, n := s.userPool(t.User)
	_, err := pool.Exec(ctx, insertSpent, n, h[:], "ticket", t.User, t.Device, t.Origin, t.Until)
	return accountError("put ticket", err)
}

const takeTicket = `
DELETE FROM spent_tokens t USING devices d
WHERE t.shard = $1 AND t.hash = $2 AND t.kind = 'ticket' AND d.shard = $1 AND d.user_id = t.user_id AND d.device_id = t.device_id
RETURNING t.user_id, t.device_id, t.origin, t.until`

// TakeTicket deletes the ticket and returns it if its device still exists.
func (s *Store) TakeTicket(ctx context.Context, n id.Shard, h account.Hash) (t account.Ticket, err error) {
	err = s.pool(n).QueryRow(ctx, takeTicket, n, h[:]).Scan(&t.User, &t.Device, &t.Origin, &t.Until)
	return t, accountError("take ticket", err)
}
