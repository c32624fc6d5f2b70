// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/ephemeral"
	"parley.chat/protocol/id"
)

var _ ephemeral.Store = (*Store)(nil)

const lastSeen = `
SELECT u.user_id, u.last_seen_at
FROM unnest($1::int[], $2::text[]) AS v (shard, user_id)
JOIN users u ON u.shard = v.shard AND u.user_id = v.user_id AND u.active`

// LastSeen reads when users with an active account were last seen, with one statement for each database.
func (s *Store) LastSeen(ctx context.Context, users []id.User) (map[id.User]int64, error) {
	seen := make(map[id.User]int64, len(users))
	for _, u := range users {
		seen[u] = 0
	}
	out := make(map[id.User]int64, len(users))
	for db, b := range s.seenBatches(seen) {
		rows, err := db.pool.Query(ctx, lastSeen, b.shards, b.users)
		if err != nil {
			return nil, fmt.Errorf("last seen: %w", err)
		}
		var u id.User
		var at int64
		if _, err := pgx.ForEachRow(rows, []any{&u, &at}, func() error { out[u] = at; return nil }); err != nil {
			return nil, fmt.Errorf("last seen: %w", err)
		}
	}
	return out, nil
}

// touchUsers passes over locked rows, as touchDevices does.
const touchUsers = `
UPDATE users u SET last_seen_at = f.seen
FROM (
  SELECT o.shard, o.user_id, v.seen
  FROM unnest($1::int[], $2::text[], $3::bigint[]) AS v (shard, user_id, seen)
  JOIN users o ON o.shard = v.shard AND o.user_id = v.user_id AND o.active AND o.last_seen_at < v.seen
  FOR UPDATE OF o SKIP LOCKED
) f
WHERE u.shard = f.shard AND u.user_id = f.user_id`

// TouchUsers raises when users were last seen, with one statement for each database.
func (s *Store) TouchUsers(ctx context.Context, seen map[id.User]int64) error {
	var errs []error
	for db, b := range s.seenBatches(seen) {
		if _, err := db.pool.Exec(ctx, touchUsers, b.shards, b.users, b.seen); err != nil {
			errs = append(errs, fmt.Errorf("touch users: %w", err))
		}
	}
	return errors.Join(errs...)
}

// seenBatch is what concerns one database.
type seenBatch struct {
	shards []int32
	users  []string
	seen   []int64
}

// seenBatches sorts the users by their database.
func (s *Store) seenBatches(seen map[id.User]int64) map[*database]*seenBatch {
	out := map[*database]*seenBatch{}
	for u, at := range seen {
		n := u.Shard(s.count)
		b := out[s.byShard[n]]
		if b == nil {
			b = &seenBatch{}
			out[s.byShard[n]] = b
		}
		b.shards, b.users, b.seen = append(b.shards, int32(n)), append(b.users, string(u)), append(b.seen, at)
	}
	return out
}
