// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

var _ account.DataStore = (*Store)(nil)

// keptDeletions is how many deletions of a user are remembered, to be told to devices that were away.
const keptDeletions = 1000

const (
	nextVersion = `UPDATE users SET data_version = data_version + 1 WHERE shard = $1 AND user_id = $2 AND active RETURNING data_version`
	findItem    = `SELECT value FROM account_data WHERE shard = $1 AND user_id = $2 AND kind = $3 AND key = $4`
	countItems  = `SELECT count(*) FROM account_data WHERE shard = $1 AND user_id = $2 AND kind = $3 AND value IS NOT NULL`
	upsertItem  = `
INSERT INTO account_data (shard, user_id, kind, key, value, version) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (shard, user_id, kind, key) DO UPDATE SET value = excluded.value, version = excluded.version`
	pruneDeleted = `
WITH old AS (
    SELECT kind, key, version FROM account_data WHERE shard = $1 AND user_id = $2 AND value IS NULL ORDER BY version DESC OFFSET $3
), gone AS (
    DELETE FROM account_data a USING old WHERE a.shard = $1 AND a.user_id = $2 AND a.kind = old.kind AND a.key = old.key RETURNING a.version
)
UPDATE users SET data_pruned = greatest(data_pruned, m.version) FROM (SELECT max(version) AS version FROM gone) m
 WHERE shard = $1 AND user_id = $2 AND m.version IS NOT NULL`
)

// errSame ends a transaction that would change nothing.
var errSame = errors.New("store: the value is the same")

// EditItem implements account.DataStore: the user's row is the lock.
func (s *Store) EditItem(ctx context.Context, u id.User, e account.EditItem) (it account.Item, changed bool, err error) {
	pool, n := s.userPool(u)
	it.Kind, it.Key = e.Kind, e.Key
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, nextVersion, n, u).Scan(&it.Version); err != nil {
			return err
		}
		var old []byte
		if err := tx.QueryRow(ctx, findItem, n, u, e.Kind, e.Key).Scan(&old); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if it.Value, err = e.Edit(old); err != nil {
			return err
		}
		if bytes.Equal(old, it.Value) && (old == nil) == (it.Value == nil) {
			return errSame
		}
		return writeItem(ctx, tx, n, u, it, old == nil, e.Limit)
	})
	if errors.Is(err, errSame) {
		return it, false, nil
	}
	if errors.Is(err, account.ErrFull) {
		return account.Item{}, false, err
	}
	if err != nil {
		return account.Item{}, false, accountData("edit", err)
	}
	return it, true, nil
}

func writeItem(ctx context.Context, tx pgx.Tx, n id.Shard, u id.User, it account.Item, isNew bool, limit int) error {
	if isNew {
		var count int
		if err := tx.QueryRow(ctx, countItems, n, u, it.Kind).Scan(&count); err != nil {
			return err
		}
		if count >= limit {
			return account.ErrFull
		}
	}
	var value *string
	if it.Value != nil {
		text := string(it.Value)
		value = &text
	}
	if _, err := tx.Exec(ctx, upsertItem, n, u, it.Kind, it.Key, value, it.Version); err != nil || value != nil {
		return err
	}
	_, err := tx.Exec(ctx, pruneDeleted, n, u, keptDeletions)
	return err
}

// accountData wraps plain errors and leaves faults of an Edit as they are.
func accountData(what string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return account.ErrNotFound
	}
	return fmt.Errorf("%s account data: %w", what, err)
}

const selectItems = `SELECT kind, key, value, version FROM account_data WHERE shard = $1 AND user_id = $2 `

func scanItem(row pgx.CollectableRow) (it account.Item, err error) {
	return it, row.Scan(&it.Kind, &it.Key, &it.Value, &it.Version)
}

func (s *Store) items(ctx context.Context, u id.User, where string, args ...any) ([]account.Item, error) {
	pool, n := s.userPool(u)
	rows, err := pool.Query(ctx, selectItems+where, append([]any{n, u}, args...)...)
	if err != nil {
		return nil, accountData("read", err)
	}
	out, err := pgx.CollectRows(rows, scanItem)
	if err != nil {
		return nil, accountData("read", err)
	}
	return out, nil
}

// FindItems implements account.DataStore.
func (s *Store) FindItems(ctx context.Context, u id.User, kind string, keys []string) ([]account.Item, error) {
	return s.items(ctx, u, `AND kind = $3 AND key = ANY($4) AND value IS NOT NULL ORDER BY key`, kind, keys)
}

// ListItems implements account.DataStore.
func (s *Store) ListItems(ctx context.Context, u id.User, kind, after string, limit int) ([]account.Item, error) {
	return s.items(ctx, u, `AND kind = $3 AND key > $4 AND value IS NOT NULL ORDER BY key LIMIT $5`, kind, after, limit)
}

// ItemsSince implements account.DataStore.
func (s *Store) ItemsSince(ctx context.Context, u id.User, since int64, limit int) ([]account.Item, bool, error) {
	pool, n := s.userPool(u)
	var pruned int64
	err := pool.QueryRow(ctx, `SELECT data_pruned FROM users WHERE shard = $1 AND user_id = $2`, n, u).Scan(&pruned)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, accountData("read", err)
	}
	reset := since > 0 && since < pruned
	where := `AND version > $3 ORDER BY version LIMIT $4`
	if reset || since == 0 {
		since, where = 0, `AND version > $3 AND value IS NOT NULL ORDER BY version LIMIT $4`
	}
	out, err := s.items(ctx, u, where, since, limit)
	return out, reset, err
}

const selectPersons = `
SELECT u.user_id, u.data_version,
       (SELECT value FROM account_data a WHERE a.shard = u.shard AND a.user_id = u.user_id AND kind = 'settings' AND key = ''),
       ARRAY(SELECT key FROM account_data a WHERE a.shard = u.shard AND a.user_id = u.user_id AND kind = 'block' AND value IS NOT NULL),
       (SELECT count(*) FROM account_data a WHERE a.shard = u.shard AND a.user_id = u.user_id AND kind = 'hidden' AND value IS NOT NULL)
  FROM users u WHERE u.shard = ANY($1) AND u.user_id = ANY($2)`

// FindPersons implements account.DataStore, with one query for each database.
func (s *Store) FindPersons(ctx context.Context, users []id.User) (map[id.User]*account.Person, error) {
	type ask struct {
		shards []id.Shard
		users  []id.User
	}
	by := map[*database]*ask{}
	for _, u := range users {
		n := u.Shard(s.count)
		db := s.byShard[n]
		if by[db] == nil {
			by[db] = &ask{}
		}
		by[db].shards, by[db].users = append(by[db].shards, n), append(by[db].users, u)
	}
	out := make(map[id.User]*account.Person, len(users))
	for db, a := range by {
		rows, err := db.pool.Query(ctx, selectPersons, a.shards, a.users)
		if err != nil {
			return nil, accountData("read", err)
		}
		if err := scanPersons(rows, out); err != nil {
			return nil, accountData("read", err)
		}
	}
	return out, nil
}

func scanPersons(rows pgx.Rows, out map[id.User]*account.Person) error {
	var u id.User
	var version int64
	var settings []byte
	var blocked []id.User
	var hidden int
	_, err := pgx.ForEachRow(rows, []any{&u, &version, &settings, &blocked, &hidden}, func() (err error) {
		one := &account.Person{Version: version, Hidden: hidden, Blocked: make(map[id.User]struct{}, len(blocked))}
		for _, b := range blocked {
			one.Blocked[b] = struct{}{}
		}
		one.Settings, err = account.ParseSettings(settings)
		out[u] = one
		return err
	})
	return err
}
