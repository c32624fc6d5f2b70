// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
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

// lookUpSQL finds words in one block. Either index bounds what is touched: that of the words, or that of the block.
const lookUpSQL = `
SELECT seq, hub_time FROM message_search_s%d m
 WHERE conv = $1 AND seq BETWEEN $2 AND $3 AND hub_time >= $4 AND hub_time < $5 AND ($6 = '' OR sender = $6) AND ($7 = '' OR content_type = $7)
   AND words @@ $9::tsquery
 ORDER BY seq DESC LIMIT $8`

// Scan implements search.Log.
func (s *Store) Scan(ctx context.Context, n id.Shard, list []search.Stretch, f search.Filter, limit int) ([]search.Found, error) {
	batch := &pgx.Batch{}
	scan, lookUp, at := fmt.Sprintf(scanSQL, n), fmt.Sprintf(lookUpSQL, n), fmt.Sprintf(`SELECT hub_time FROM events_s%d WHERE conv = $1 AND pos >= $1 AND seq = $2`, n)
	kind := []byte{}
	if f.ContentType != "" {
		kind = []byte(`"contentType":"` + f.ContentType + `"`)
	}
	for _, p := range list {
		if f.Text != nil {
			batch.Queue(lookUp, p.Conv, p.From, p.To, f.From, f.To, string(f.Sender), f.ContentType, limit, f.Text.In(p.Conv, p.From))
		} else {
			batch.Queue(scan, p.Conv, p.From, p.To, f.From, f.To, string(f.Sender), kind, limit)
		}
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

// Searchable implements search.Log.
func (s *Store) Searchable(ctx context.Context, n id.Shard, convs []id.Conversation) (map[id.Conversation]bool, error) {
	ids := make([][]byte, len(convs))
	for i, c := range convs {
		raw := c.Bytes()
		ids[i] = raw[:]
	}
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT c.id, p.low_seq = 0 FROM conversations_s%[1]d c JOIN search_progress_s%[1]d p ON p.conv = c.conv
		WHERE c.id = ANY($1) AND p.wanted`, n), ids)
	if err != nil {
		return nil, fmt.Errorf("read what is searchable: %w", err)
	}
	out := map[id.Conversation]bool{}
	var raw []byte
	var whole bool
	_, err = pgx.ForEachRow(rows, []any{&raw, &whole}, func() error {
		c, err := conversationID(raw)
		out[c] = whole
		return err
	})
	return out, err
}

// Messages implements search.Log.
func (s *Store) Messages(ctx context.Context, n id.Shard, conv int64, seqs []int64, r timeline.Range) ([]*conversation.Event, error) {
	q := selectFacts(n, `WHERE conv = $1 AND pos >= $1 AND seq = ANY($2) AND seq BETWEEN $3 AND $4 AND type = 'message' AND content IS NOT NULL LIMIT $5`, r)
	args := append([]any{conv, seqs, max(r.From, slices.Min(seqs)), min(r.To, slices.Max(seqs)), len(seqs)}, sight(r)...)
	rows, err := s.pool(n).Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read messages found: %w", err)
	}
	return pgx.CollectRows(rows, scanFacts)
}
