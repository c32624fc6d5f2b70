// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const upsertIndexSQL = `
INSERT INTO user_conversations AS u (shard, user_id, conversation_id, membership, changed_pos, changed_at)
SELECT DISTINCT ON (shard, user_id, conversation_id) * FROM
       unnest($1::int[], $2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[]) AS b(shard, user_id, conversation_id, membership, changed_pos, changed_at)
 ORDER BY shard, user_id, conversation_id, changed_pos DESC
ON CONFLICT (shard, user_id, conversation_id) DO UPDATE
   SET membership = excluded.membership, changed_pos = excluded.changed_pos, changed_at = excluded.changed_at
 WHERE u.changed_pos <= excluded.changed_pos`

func queueIndex(batch *pgx.Batch, rows []timeline.IndexRow, count int) {
	n := len(rows)
	if n == 0 {
		return
	}
	shards, users, ids := make([]id.Shard, n), make([]string, n), make([][]byte, n)
	memberships, changed, at := make([]string, n), make([]int64, n), make([]int64, n)
	for i, r := range rows {
		raw := r.Conversation.Bytes()
		shards[i], users[i], ids[i] = r.User.Shard(count), string(r.User), raw[:]
		memberships[i], changed[i], at[i] = r.Membership, r.ChangedPos, r.ChangedAt
	}
	batch.Queue(upsertIndexSQL, shards, users, ids, memberships, changed, at)
}

// IndexMembers implements timeline.Store: the rows may belong to any database.
func (s *Store) IndexMembers(ctx context.Context, rows []timeline.IndexRow) error {
	by := map[*database][]timeline.IndexRow{}
	for _, r := range rows {
		db := s.byShard[r.User.Shard(s.count)]
		by[db] = append(by[db], r)
	}
	for db, part := range by {
		batch := &pgx.Batch{}
		queueIndex(batch, part, s.count)
		if err := db.pool.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("index members: %w", err)
		}
	}
	return nil
}
