// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/feed"
	"parley.chat/protocol/id"
)

// UserIndex implements feed.Log.
func (s *Store) UserIndex(ctx context.Context, u id.User) ([]feed.Membership, error) {
	pool, n := s.userPool(u)
	rows, err := pool.Query(ctx, fmt.Sprintf(`SELECT conversation_id, membership, changed_pos, changed_at FROM user_conversations_s%d WHERE user_id = $1`, n), string(u))
	if err != nil {
		return nil, fmt.Errorf("read index of %s: %w", u, err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (m feed.Membership, err error) {
		var raw []byte
		if err := r.Scan(&raw, &m.Membership, &m.ChangedPos, &m.ChangedAt); err != nil {
			return m, err
		}
		m.ID, err = conversationID(raw)
		return m, err
	})
}

// Heads implements feed.Log.
func (s *Store) Heads(ctx context.Context, n id.Shard, convs []id.Conversation) (map[id.Conversation]feed.Head, error) {
	ids := make([][]byte, len(convs))
	for i, c := range convs {
		raw := c.Bytes()
		ids[i] = raw[:]
	}
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT id, head_pos, head_time, mark FROM conversations_s%d WHERE id = ANY($1)`, n), ids)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	out := make(map[id.Conversation]feed.Head, len(convs))
	var raw []byte
	var h feed.Head
	_, err = pgx.ForEachRow(rows, []any{&raw, &h.Pos, &h.Time, &h.Mark}, func() error {
		c, err := conversationID(raw)
		out[c] = h
		return err
	})
	return out, err
}

// seqAtSQL searches by halves for the last seq whose pos is at most $2, between $3 (below or at it) and $4 (above it).
const seqAtSQL = `
WITH RECURSIVE s(lo, hi) AS (
    SELECT $3::bigint, $4::bigint
    UNION ALL
    SELECT CASE WHEN e.pos <= $2 THEN m ELSE lo END, CASE WHEN e.pos <= $2 THEN hi ELSE m END
      FROM s, LATERAL (SELECT (lo + hi) / 2) AS half(m),
           LATERAL (SELECT pos FROM events_s%d WHERE conv = $1 AND seq = m) AS e
     WHERE hi - lo > 1)
SELECT max(lo) FROM s`

// SeqAt implements feed.Log.
func (s *Store) SeqAt(ctx context.Context, n id.Shard, conv, pos, low, high int64) (int64, error) {
	var seq int64
	err := s.pool(n).QueryRow(ctx, fmt.Sprintf(seqAtSQL, n), conv, pos, low, high).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("find a seq by pos: %w", err)
	}
	return seq, nil
}
