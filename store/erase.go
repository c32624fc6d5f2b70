// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

// ownedByUser are the tables of the user's shard whose rows go with the account, with the column that names the user.
var ownedByUser = map[string]string{"account_data": "user_id", "reports": "reporter"}

// Erase implements account.Erasures.
func (s *Store) Erase(ctx context.Context, e account.Erasure, passwordHash string) error {
	pool, n := s.userPool(e.User)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, deactivateUser, n, e.User, passwordHash)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return account.ErrChanged
		}
		if _, err = deleteDevices(ctx, tx, n, e.User, ""); err != nil {
			return err
		}
		for table, column := range ownedByUser {
			if _, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE shard = $1 AND %s = $2`, table, column), n, e.User); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO erasures (shard, user_id, messages, at) VALUES ($1, $2, $3, $4)`, n, e.User, e.Messages, e.At)
		return err
	})
	return accountError("erase account", err)
}

// Erasures lists the accounts that are being erased, oldest first, at most limit of each database.
func (s *Store) Erasures(ctx context.Context, limit int) ([]account.Erasure, error) {
	var all []account.Erasure
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, `SELECT user_id, messages, at, after, erased FROM erasures WHERE done_at = 0 ORDER BY at LIMIT $1`, limit)
		if err != nil {
			return nil, fmt.Errorf("list erasures: %w", err)
		}
		part, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (e account.Erasure, err error) {
			var after []byte
			if err = r.Scan(&e.User, &e.Messages, &e.At, &after, &e.Erased); err == nil && len(after) > 0 {
				e.After, err = conversationID(after)
			}
			return e, err
		})
		if err != nil {
			return nil, fmt.Errorf("list erasures: %w", err)
		}
		all = append(all, part...)
	}
	return all, nil
}

// AdvanceErasure notes how far an erasure got; doneAt is 0 until it is done.
func (s *Store) AdvanceErasure(ctx context.Context, e account.Erasure, doneAt int64) error {
	after := []byte{}
	if e.After != "" {
		raw := e.After.Bytes()
		after = raw[:]
	}
	pool, n := s.userPool(e.User)
	_, err := pool.Exec(ctx, `UPDATE erasures SET after = $3, erased = $4, done_at = $5 WHERE shard = $1 AND user_id = $2`, n, e.User, after, e.Erased, doneAt)
	if err != nil {
		return fmt.Errorf("advance erasure: %w", err)
	}
	return nil
}

// ForgetPrefs deletes the member's own settings of a conversation.
func (s *Store) ForgetPrefs(ctx context.Context, n id.Shard, conv int64, u id.User) error {
	_, err := s.pool(n).Exec(ctx, fmt.Sprintf(`UPDATE members_s%d SET prefs = NULL WHERE conv = $1 AND user_id = $2 AND prefs IS NOT NULL`, n), conv, string(u))
	if err != nil {
		return fmt.Errorf("forget settings of a member: %w", err)
	}
	return nil
}
