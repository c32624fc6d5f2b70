// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// partitionRows is the number of positions in one partition of a shard's events. It is as fixed as the number of shards.
const partitionRows = 1 << 22

// eventPartitionSQL makes the events of a shard and its first partition.
func (s *Store) eventPartitionSQL(n id.Shard) []string {
	return append([]string{
		fmt.Sprintf(`CREATE TABLE events_s%[1]d PARTITION OF events FOR VALUES IN (%[1]d) PARTITION BY RANGE (pos)`, n),
	}, s.eventRangeSQL(n, 0)...)
}

// eventRangeSQL makes partition number i of a shard's events. The rows of a partition come in order of pos, so a BRIN index
// suffices for that; hot rows alone are indexed by dedup. The table is made alone and then attached: that waits for no reader
// and lets none wait.
func (s *Store) eventRangeSQL(n id.Shard, i int64) []string {
	name := fmt.Sprintf("events_s%d_%d", n, i)
	return []string{
		fmt.Sprintf(`CREATE TABLE %s (LIKE events INCLUDING ALL)`, name),
		fmt.Sprintf(`CREATE UNIQUE INDEX %[1]s_seq ON %[1]s (conv, seq)`, name),
		fmt.Sprintf(`CREATE INDEX %[1]s_pos ON %[1]s USING brin (pos) WITH (pages_per_range = 16, autosummarize = on)`, name),
		fmt.Sprintf(`CREATE INDEX %[1]s_hot ON %[1]s (conv, dedup) WHERE hot`, name),
		fmt.Sprintf(`ALTER TABLE events_s%d ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, n, name, i*s.rows, (i+1)*s.rows),
	}
}

const insertEventsSQL = `
INSERT INTO events (shard, pos, conv, seq, count, hub_time, author_time, dedup, hot, message_id, type, sender, device, temp_id, salt, hash, content)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                     $9::boolean[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[])`

func queueEvents(batch *pgx.Batch, rows []*timeline.Row) {
	n := len(rows)
	if n == 0 {
		return
	}
	var (
		shards                      = make([]id.Shard, n)
		pos, conv, seq, count       = make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
		hubTime, authorTime, dedup  = make([]int64, n), make([]int64, n), make([]int64, n)
		hot                         = make([]bool, n)
		messageID                   = make([][16]byte, n)
		typ, sender, device, tempID = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		salt, hash, content         = make([][]byte, n), make([][]byte, n), make([][]byte, n)
	)
	for i, e := range rows {
		shards[i], pos[i], conv[i], seq[i], count[i] = e.Shard, e.Pos, e.Conv, e.Seq, e.Count
		hubTime[i], authorTime[i], dedup[i], hot[i] = e.HubTime, e.AuthorTime, e.Dedup, e.Hot
		messageID[i], typ[i], sender[i] = e.MessageID, e.Type, string(e.Sender)
		device[i], tempID[i] = string(e.Device), e.TempID
		salt[i], hash[i], content[i] = e.Salt[:], e.Hash[:], e.Content
		if e.Content == nil {
			salt[i] = nil
		}
	}
	args := []any{shards, pos, conv, seq, count, hubTime, authorTime, dedup, hot, messageID, typ, sender, device, tempID, salt, hash, content}
	if expires, erased := rarities(rows); expires != nil {
		batch.Queue(insertRareSQL, append(args, expires, erased)...)
		return
	}
	batch.Queue(insertEventsSQL, args...)
}

// insertRareSQL is insertEventsSQL for batches with messages that expire, or that came erased from their hub.
var insertRareSQL = strings.NewReplacer("salt, hash, content)", "salt, hash, content, expires_at, content_hash)",
	"$17::bytea[])", "$17::bytea[], $18::bigint[], $19::bytea[])").Replace(insertEventsSQL)

// rarities are when the rows expire, and the hashes that stand for erased content; nil if there is neither.
func rarities(rows []*timeline.Row) (expires []*int64, erased [][]byte) {
	for i, e := range rows {
		if e.ExpiresAt == 0 && e.Content != nil {
			continue
		}
		if expires == nil {
			expires, erased = make([]*int64, len(rows)), make([][]byte, len(rows))
		}
		if e.ExpiresAt != 0 {
			expires[i] = &e.ExpiresAt
		}
		if e.Content == nil {
			erased[i] = e.ContentHash[:]
		}
	}
	return expires, erased
}

// eventColumns are in the order of scanEvent; selectEvents reads them from the events of a shard.
const (
	eventColumns = `shard, pos, conv, seq, count, hub_time, author_time, message_id, type, sender, device, temp_id, salt, hash, content, expires_at, content_hash`
	selectEvents = `SELECT ` + eventColumns + ` FROM events_s%d e `
)

// scanEvent reads a row of selectEvents; the conversation's id is not in it.
func scanEvent(row pgx.CollectableRow) (*conversation.Event, error) { return scanColumns(row) }

// scanColumns is scanEvent with more columns behind.
func scanColumns(row pgx.CollectableRow, more ...any) (*conversation.Event, error) {
	var e conversation.Event
	var messageID [16]byte
	var salt, hash, contentHash []byte
	var expires *int64
	columns := append([]any{&e.Shard, &e.Pos, &e.Conv, &e.Seq, &e.Count, &e.HubTime, &e.AuthorTime, &messageID,
		&e.Type, &e.Sender, &e.Device, &e.TempID, &salt, &hash, &e.Content, &expires, &contentHash}, more...)
	if err := row.Scan(columns...); err != nil {
		return nil, err
	}
	if expires != nil {
		e.ExpiresAt = *expires
	}
	e.MessageID = messageID
	copy(e.Salt[:], salt)
	copy(e.Hash[:], hash)
	copy(e.ContentHash[:], contentHash)
	return &e, nil
}

// Events implements timeline.Store and feed.Log. pos >= conv keeps partitions from before the conversation out of it.
func (s *Store) Events(ctx context.Context, n id.Shard, conv int64, r timeline.Range) ([]*conversation.Event, error) {
	order := "ASC"
	if r.Newest {
		order = "DESC"
	}
	q := selectFacts(n, `WHERE pos >= $5 AND conv = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq `+order+` LIMIT $4`, r) + ` ORDER BY e.seq`
	args := []any{conv, r.From, r.To, r.Limit, max(conv, r.AfterPos+1)}
	if r.Reader != "" {
		args = append(args, sight(r)...)
	}
	if r.Bytes > 0 {
		q = within(q, order, r.Reader != "", len(args)+1)
		args = append(args, r.Bytes)
	}
	rows, err := s.pool(n).Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanFacts)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return out, nil
}

// FindHot implements timeline.Store.
func (s *Store) FindHot(ctx context.Context, n id.Shard, conv, dedup, since int64) (*conversation.Event, error) {
	q := fmt.Sprintf(selectEvents, n) + `WHERE pos >= $1 AND conv = $1 AND dedup = $2 AND hot AND hub_time >= $3 LIMIT 1`
	rows, err := s.pool(n).Query(ctx, q, conv, dedup, since)
	if err != nil {
		return nil, fmt.Errorf("find a tempId: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEvent)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return e, err
}

// Unflushed implements timeline.Store.
func (s *Store) Unflushed(ctx context.Context, l timeline.Lease) ([]id.Conversation, error) {
	q := fmt.Sprintf(`SELECT c.id FROM (SELECT DISTINCT conv FROM events_s%[1]d WHERE pos > $1 AND pos <= $2) e JOIN conversations_s%[1]d c USING (conv)`, l.Shard)
	rows, err := s.pool(l.Shard).Query(ctx, q, l.Flushed, l.Pos)
	if err != nil {
		return nil, fmt.Errorf("read unflushed: %w", err)
	}
	return pgx.CollectRows(rows, scanConversationID)
}

// EnsurePartitions implements timeline.Store: there is always a whole partition to spare.
func (s *Store) EnsurePartitions(ctx context.Context, n id.Shard, pos int64) error {
	i := pos/s.rows + 1
	var exists bool
	err := s.pool(n).QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, fmt.Sprintf("events_s%d_%d", n, i)).Scan(&exists)
	if err != nil || exists {
		return err
	}
	batch := &pgx.Batch{}
	for _, q := range s.eventRangeSQL(n, i) {
		batch.Queue(q)
	}
	if err := s.pool(n).SendBatch(ctx, batch).Close(); err != nil && !isDuplicateTable(err) {
		return fmt.Errorf("make partition %d of shard %d: %w", i, n, err)
	}
	return nil
}

// isDuplicateTable tells that another node made the table meanwhile.
func isDuplicateTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == duplicateTable
}

const duplicateTable = "42P07"
