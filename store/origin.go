// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

const insertOriginsSQL = `
INSERT INTO event_origins (shard, conv, seq, prev, term, key_id, signature, expects, state_hash)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::text[], $7::bytea[], $8::bigint[], $9::bytea[])`

// queueOrigins writes what belongs to entries beside the log.
func queueOrigins(batch *pgx.Batch, rows []timeline.OriginRow) {
	n := len(rows)
	if n == 0 {
		return
	}
	shards, conv, seq, terms := make([]id.Shard, n), make([]int64, n), make([]int64, n), make([]int64, n)
	prev, signatures, keys, expects := make([][]byte, n), make([][]byte, n), make([]*string, n), make([]*int64, n)
	states := make([][]byte, n)
	for i, r := range rows {
		shards[i], conv[i], seq[i], terms[i] = r.Shard, r.Conv, r.Seq, r.Term
		signatures[i], expects[i] = r.Signature, r.Expects
		if r.Prev != nil {
			prev[i] = r.Prev[:]
		}
		if r.StateHash != nil {
			states[i] = r.StateHash[:]
		}
		if r.Signature != nil {
			keys[i] = &rows[i].KeyID
		}
	}
	batch.Queue(insertOriginsSQL, shards, conv, seq, prev, terms, keys, signatures, expects, states)
}

const settleSQL = `
DELETE FROM submissions s USING unnest($1::int[], $2::bigint[], $3::bigint[]) AS b(shard, conv, dedup)
 WHERE s.shard = b.shard AND s.conv = b.conv AND s.dedup = b.dedup`

// queueSettled deletes the submissions whose entries came.
func queueSettled(batch *pgx.Batch, rows []timeline.SettledRow) {
	n := len(rows)
	if n == 0 {
		return
	}
	shards, conv, dedup := make([]id.Shard, n), make([]int64, n), make([]int64, n)
	for i, r := range rows {
		shards[i], conv[i], dedup[i] = r.Shard, r.Conv, r.Dedup
	}
	batch.Queue(settleSQL, shards, conv, dedup)
}

// recordBytesOnWire is what a record takes beside its content when it is handed on, about.
const recordBytesOnWire = 900

// Records reads entries with from <= seq <= to as they are handed on: the first ones, at most limit, and as many as take about so
// many bytes; one at least. The entry before the first must be held, or be before the base.
func (s *Store) Records(ctx context.Context, n id.Shard, conv, from, to int64, limit, bytes int) ([]timeline.Foreign, error) {
	q := fmt.Sprintf(`
SELECT shard, pos, conv, seq, count, hub_time, author_time, message_id, type, sender, device, temp_id, salt, hash, content, expires_at, content_hash,
       id, before, term, key_id, signature, expects, state_hash
  FROM (SELECT e.*, c.id, coalesce(o.prev, lag(e.hash) OVER w) AS before, coalesce(o.term, 0) AS term, o.key_id, o.signature, o.expects, o.state_hash,
               sum(CASE WHEN e.seq >= $2 THEN %[2]d + coalesce(octet_length(e.content), 0) ELSE 0 END) OVER w AS total, row_number() OVER w AS n
          FROM (`+fmt.Sprintf(selectEvents, n)+`WHERE pos >= $1 AND conv = $1 AND seq BETWEEN $2 - 1 AND $3 ORDER BY seq LIMIT $4 + 1) e
          JOIN conversations_s%[1]d c ON c.shard = %[1]d AND c.conv = e.conv
          LEFT JOIN event_origins_s%[1]d o ON o.shard = %[1]d AND o.conv = e.conv AND o.seq = e.seq
        WINDOW w AS (ORDER BY e.seq)) r
 WHERE seq >= $2 AND (total <= $5 OR n = 1 OR n = 2 AND seq = $2)
 ORDER BY seq LIMIT $4`, n, recordBytesOnWire)
	rows, err := s.pool(n).Query(ctx, q, conv, from, to, limit, bytes)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanRecord)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return out, nil
}

func scanRecord(row pgx.CollectableRow) (f timeline.Foreign, err error) {
	var conv, prev, state []byte
	var key *string
	var expects *int64
	if f.Event, err = scanColumns(row, &conv, &prev, &f.Term, &key, &f.Signature, &expects, &state); err != nil {
		return f, err
	}
	if key != nil {
		f.KeyID = *key
	}
	if len(state) == len(event.Hash{}) {
		hash := event.Hash(state)
		f.StateHash = &hash
	}
	if len(prev) == len(event.Hash{}) {
		f.Prev = event.Hash(prev)
	}
	f.Expects = expects
	f.ConversationID, err = conversationID(conv)
	return f, err
}
