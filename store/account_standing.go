// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

// Suspend implements account.Standings.
func (s *Store) Suspend(ctx context.Context, u id.User, at int64) error {
	return s.setStanding(ctx, "suspend", `UPDATE users SET suspended_at = $3 WHERE shard = $1 AND user_id = $2 AND active`, u, at)
}

// SetModerator implements account.Standings.
func (s *Store) SetModerator(ctx context.Context, u id.User, is bool) error {
	return s.setStanding(ctx, "set moderator", `UPDATE users SET moderator = $3 WHERE shard = $1 AND user_id = $2 AND active`, u, is)
}

func (s *Store) setStanding(ctx context.Context, what, sql string, u id.User, value any) error {
	pool, n := s.userPool(u)
	tag, err := pool.Exec(ctx, sql, n, u, value)
	if err == nil && tag.RowsAffected() == 0 {
		err = account.ErrNotFound
	}
	return accountError(what, err)
}

// ListUsers implements account.Standings.
func (s *Store) ListUsers(ctx context.Context, after id.User, limit int) ([]account.User, error) {
	var all []account.User
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, `SELECT `+userColumns+` FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2`, string(after), limit)
		if err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		part, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (account.User, error) { return scanUser(r) })
		if err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		all = append(all, part...)
	}
	slices.SortFunc(all, func(a, b account.User) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), limit)], nil
}

// accountsChannel carries user ids between nodes and tools that share a database.
const accountsChannel = "parley_accounts"

// Announce implements account.Standings.
func (s *Store) Announce(ctx context.Context, u id.User) error {
	pool, _ := s.userPool(u)
	_, err := pool.Exec(ctx, `SELECT pg_notify($1, $2)`, accountsChannel, string(u))
	return err
}

// watchPause is the pause before a lost connection is made again.
const watchPause = 2 * time.Second

// WatchAccounts calls f for each user that Announce names on any node, and, whenever it begins to listen to a database, for
// the users there that are suspended. It ends with ctx. f may ask the store.
func (s *Store) WatchAccounts(ctx context.Context, log *slog.Logger, f func(id.User)) {
	ended := make(chan struct{}, len(s.dbs))
	for _, db := range s.dbs {
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil {
				if err := db.watchAccounts(ctx, f); err != nil && ctx.Err() == nil {
					log.Debug("listening for accounts again soon", slog.Any("error", err))
				}
				select {
				case <-time.After(watchPause):
				case <-ctx.Done():
				}
			}
		}()
	}
	for range s.dbs {
		<-ended
	}
}

func (db *database) watchAccounts(ctx context.Context, f func(id.User)) error {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, `LISTEN `+accountsChannel); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT user_id FROM users WHERE suspended_at > 0`)
	if err != nil {
		return err
	}
	barred, err := pgx.CollectRows(rows, pgx.RowTo[id.User])
	if err != nil {
		return err
	}
	for _, u := range barred {
		f(u)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		f(id.User(n.Payload))
	}
}
