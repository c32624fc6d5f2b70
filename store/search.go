// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/protocol/id"
)

// enterSQL finds a conversation's number and its last event that is not newer than $3, nor after the end of $2's membership:
// the newest one, or by halves, because hub time never falls within a conversation.
const enterSQL = `
WITH RECURSIVE c AS MATERIALIZED (
    SELECT c.conv, coalesce(m.left_seq, $4) AS last
      FROM conversations_s%[1]d c LEFT JOIN members_s%[1]d m ON m.conv = c.conv AND m.user_id = $2
     WHERE c.id = $1
), newest AS MATERIALIZED (
    SELECT c.conv, e.seq, e.hub_time
      FROM c, LATERAL (SELECT seq, hub_time FROM events_s%[1]d e WHERE e.conv = c.conv AND e.pos >= c.conv AND e.seq <= c.last
                        ORDER BY seq DESC LIMIT 1) AS e
), s(conv, lo, hi, at) AS (
    SELECT conv, CASE WHEN hub_time <= $3 THEN seq ELSE -1 END, CASE WHEN hub_time <= $3 THEN seq + 1 ELSE seq END, hub_time FROM newest
    UNION ALL
    SELECT s.conv, CASE WHEN e.hub_time <= $3 THEN m ELSE lo END, CASE WHEN e.hub_time <= $3 THEN hi ELSE m END,
           CASE WHEN e.hub_time <= $3 THEN e.hub_time ELSE at END
      FROM s, LATERAL (SELECT (lo + hi) / 2) AS half(m),
           LATERAL (SELECT hub_time FROM events_s%[1]d e WHERE e.conv = s.conv AND e.pos >= s.conv AND e.seq = m) AS e
     WHERE hi - lo > 1)
SELECT conv, lo, least(at, $3) FROM s ORDER BY hi - lo LIMIT 1`

// Enter implements search.Log.
func (s *Store) Enter(ctx context.Context, n id.Shard, u id.User, list []search.Entrance) ([]search.Entered, error) {
	batch := &pgx.Batch{}
	q := fmt.Sprintf(enterSQL, n)
	for _, e := range list {
		raw := e.ID.Bytes()
		batch.Queue(q, raw[:], string(u), e.AtMost, int64(math.MaxInt64))
	}
	res := s.pool(n).SendBatch(ctx, batch)
	defer res.Close()
	out := make([]search.Entered, len(list))
	for i := range out {
		err := res.QueryRow().Scan(&out[i].Conv, &out[i].Seq, &out[i].Time)
		if errors.Is(err, pgx.ErrNoRows) {
			out[i] = search.Entered{Seq: -1}
		} else if err != nil {
			return nil, fmt.Errorf("enter conversations: %w", err)
		}
	}
	return out, nil
}

// scanSQL reads a range of the dense seq of a conversation. The content of a message is canonical JSON of one level, in
// which the text $7 is nowhere but where contentType has that value: a quote within a string is escaped.
const scanSQL = `
SELECT seq, hub_time FROM events_s%d e
 WHERE conv = $1 AND pos >= $1 AND seq BETWEEN $2 AND $3 AND type = 'message' AND content IS NOT NULL
   AND hub_time >= $4 AND hub_time < $5 AND ($6 = '' OR sender = $6) AND ($7::bytea = '' OR position($7 IN content) > 0)
 ORDER BY seq DESC LIMIT $8`

// Scan implements search.Log.
func (s *Store) Scan(ctx context.Context, n id.Shard, list []search.Stretch, f search.Filter, limit int) ([]search.Found, error) {
	batch := &pgx.Batch{}
	scan, at := fmt.Sprintf(scanSQL, n), fmt.Sprintf(`SELECT hub_time FROM events_s%d WHERE conv = $1 AND pos >= $1 AND seq = $2`, n)
	kind := []byte{}
	if f.ContentType != "" {
		kind = []byte(`"contentType":"` + f.ContentType + `"`)
	}
	for _, p := range list {
		batch.Queue(scan, p.Conv, p.From, p.To, f.From, f.To, string(f.Sender), kind, limit)
		batch.Queue(at, p.Conv, p.From)
	}
	res := s.pool(n).SendBatch(ctx, batch)
	defer res.Close()
	out := make([]search.Found, len(list))
	for i := range out {
		rows, err := res.Query()
		if err == nil {
			out[i].Matches, err = pgx.CollectRows(rows, pgx.RowToStructByPos[search.Match])
		}
		if err == nil {
			err = res.QueryRow().Scan(&out[i].Time)
		}
		if err != nil {
			return nil, fmt.Errorf("scan for messages: %w", err)
		}
	}
	return out, nil
}

// Messages implements search.Log.
func (s *Store) Messages(ctx context.Context, n id.Shard, conv int64, seqs []int64) ([]*conversation.Event, error) {
	q := fmt.Sprintf(selectEvents, n) + `WHERE conv = $1 AND pos >= $1 AND seq = ANY($2) AND type = 'message' AND content IS NOT NULL`
	rows, err := s.pool(n).Query(ctx, q, conv, seqs)
	if err != nil {
		return nil, fmt.Errorf("read messages found: %w", err)
	}
	return pgx.CollectRows(rows, scanEvent)
}
