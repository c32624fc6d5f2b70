// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// indexBatch messages are indexed in one transaction, forgetBatch taken away.
const (
	indexBatch  = 200
	forgetBatch = 2000
)

const (
	wantSearchSQL = `
INSERT INTO search_progress AS p (shard, conv, wanted, low_seq, high_seq) VALUES ($1, $2, true, $3, $3)
ON CONFLICT (shard, conv) DO UPDATE SET wanted = true, low_seq = excluded.low_seq, high_seq = excluded.high_seq WHERE NOT p.wanted`
	endSearchSQL = `UPDATE search_progress SET wanted = false WHERE shard = $1 AND conv = $2`
)

// queueSearch writes with the settings of conversations whether they are to be indexed, from where they are now.
func queueSearch(batch *pgx.Batch, events []*timeline.Row, states []timeline.StateRow) {
	for _, e := range events {
		for _, s := range states {
			if s.Shard != e.Shard || s.Conv != e.Conv || s.StateAt != e.Seq || e.Type != frame.TypeSettings && !s.Begins {
				continue
			}
			if info, err := conversation.ParseInfo(s.Info); err == nil && info.ServerSearch {
				batch.Queue(wantSearchSQL, s.Shard, s.Conv, e.Seq)
			} else {
				batch.Queue(endSearchSQL, s.Shard, s.Conv)
			}
		}
	}
}

// Enrolled implements search.IndexStore.
func (s *Store) Enrolled(ctx context.Context, n id.Shard) ([]search.Enrolled, error) {
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`
SELECT conv, NOT wanted OR low_seq > 0 OR high_seq <=
       (SELECT seq FROM events_s%[1]d e WHERE e.conv = p.conv AND e.pos >= p.conv ORDER BY seq DESC LIMIT 1)
  FROM search_progress_s%[1]d p`, n))
	if err != nil {
		return nil, fmt.Errorf("read what is indexed: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[search.Enrolled])
}

// IndexStep implements search.IndexStore. The row of the conversation's progress is locked first, so that steps of two nodes,
// and a change of the setting, come one after the other.
func (s *Store) IndexStep(ctx context.Context, n id.Shard, conv int64) (more bool, err error) {
	tx, err := s.pool(n).Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("index %d: %w", conv, err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	st := indexStep{tx: tx, shard: n, conv: conv}
	more, err = st.run(ctx)
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("index %d: %w", conv, err)
	}
	return more, nil
}

// indexStep is one transaction of the indexer.
type indexStep struct {
	tx        pgx.Tx
	shard     id.Shard
	conv      int64
	low, high int64
}

func (st *indexStep) sql(q string) string { return fmt.Sprintf(q, st.shard) }

func (st *indexStep) run(ctx context.Context) (bool, error) {
	// A commit that waits for this transaction must never be the one that a deadlock ends.
	if _, err := st.tx.Exec(ctx, `SET LOCAL lock_timeout = '300ms'`); err != nil {
		return false, err
	}
	var wanted bool
	err := st.tx.QueryRow(ctx, st.sql(`SELECT wanted, low_seq, high_seq FROM search_progress_s%d WHERE conv = $1 FOR UPDATE`), st.conv).
		Scan(&wanted, &st.low, &st.high)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !wanted {
		return st.forget(ctx)
	}
	return st.index(ctx)
}

// forget takes away what was indexed, and the row of the progress last.
func (st *indexStep) forget(ctx context.Context) (bool, error) {
	tag, err := st.tx.Exec(ctx, st.sql(`DELETE FROM message_search_s%[1]d WHERE conv = $1 AND seq = ANY (
		ARRAY(SELECT seq FROM message_search_s%[1]d WHERE conv = $1 ORDER BY seq DESC LIMIT $2))`), st.conv, forgetBatch)
	if err != nil || tag.RowsAffected() > 0 {
		return true, err
	}
	_, err = st.tx.Exec(ctx, st.sql(`DELETE FROM search_progress_s%d WHERE conv = $1`), st.conv)
	return false, err
}

// index goes on at the new end, or, if that is reached, further back.
func (st *indexStep) index(ctx context.Context) (bool, error) {
	var top int64
	err := st.tx.QueryRow(ctx, st.sql(`SELECT seq FROM events_s%d WHERE conv = $1 AND pos >= $1 ORDER BY seq DESC LIMIT 1`), st.conv).Scan(&top)
	if err != nil {
		return false, err
	}
	from, to := st.high, min(st.high+indexBatch-1, top)
	switch {
	case st.high <= top:
		st.high = to + 1
	case st.low > 0:
		if from, to, err = st.back(ctx); err != nil {
			return false, err
		}
		st.low = from
	default:
		return false, nil
	}
	seqs, err := st.touched(ctx, from, to)
	if err == nil && len(seqs) > 0 {
		err = st.write(ctx, seqs)
	}
	if err != nil {
		return false, err
	}
	_, err = st.tx.Exec(ctx, st.sql(`UPDATE search_progress_s%d SET low_seq = $2, high_seq = $3 WHERE conv = $1`), st.conv, st.low, st.high)
	return st.high <= top || st.low > 0, err
}

// back is the range before what was indexed. There is nothing before the base: then it is empty, and begins at 0.
func (st *indexStep) back(ctx context.Context) (from, to int64, err error) {
	var base int64
	err = st.tx.QueryRow(ctx, st.sql(`SELECT base_seq FROM conversations_s%d WHERE conv = $1`), st.conv).Scan(&base)
	if st.low <= base {
		return 0, -1, err
	}
	return max(st.low-indexBatch, 0), st.low - 1, err
}

// touched lists the messages of a range, and those that edits in it are about.
func (st *indexStep) touched(ctx context.Context, from, to int64) ([]int64, error) {
	rows, err := st.tx.Query(ctx, st.sql(`SELECT seq, CASE WHEN type = 'edit' THEN content END FROM events_s%d
		WHERE conv = $1 AND pos >= $1 AND seq BETWEEN $2 AND $3 AND type IN ('message', 'edit') AND content IS NOT NULL`), st.conv, from, to)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (seq int64, err error) {
		var edit []byte
		if err := r.Scan(&seq, &edit); err != nil || edit == nil {
			return seq, err
		}
		var about struct {
			TargetMessageID string `json:"targetMessageId"`
		}
		if err := json.Unmarshal(edit, &about); err != nil {
			return 0, err
		}
		target, err := id.ParseMessage(about.TargetMessageID)
		return target.Seq(), err
	})
}

// currentSQL reads messages with the content they have now. Their rows stay locked until the words are written: whoever erases
// one waits, and then finds what was written.
const currentSQL = `
SELECT e.seq, e.hub_time, e.sender, e.content,
       (SELECT x.content FROM annotations_s%[1]d a JOIN events_s%[1]d x
               ON x.conv = a.conv AND x.pos >= e.pos AND x.seq = a.edit_seqs[cardinality(a.edit_seqs)]
         WHERE a.conv = e.conv AND a.seq = e.seq)
  FROM events_s%[1]d e
 WHERE e.conv = $1 AND e.pos >= $1 AND e.seq = ANY($2) AND e.type = 'message' AND e.content IS NOT NULL
 ORDER BY e.seq
   FOR SHARE OF e`

const writeWordsSQL = `
INSERT INTO message_search (shard, conv, seq, hub_time, sender, content_type, words)
SELECT $1::int, $2::bigint, seq, hub_time, sender, content_type, words::tsvector
  FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]) AS b(seq, hub_time, sender, content_type, words)
ON CONFLICT (shard, conv, seq) DO UPDATE SET words = excluded.words`

func (st *indexStep) write(ctx context.Context, list []int64) error {
	rows, err := st.tx.Query(ctx, st.sql(currentSQL), st.conv, list)
	if err != nil {
		return err
	}
	var seq, at int64
	var sender string
	var content, edit []byte
	var seqs, times, silent []int64
	var senders, kinds, words []string
	_, err = pgx.ForEachRow(rows, []any{&seq, &at, &sender, &content, &edit}, func() error {
		kind, text := readable(content, edit)
		vector := search.Vector(st.conv, seq, text)
		if vector == "" {
			silent = append(silent, seq)
			return nil
		}
		seqs, times, senders = append(seqs, seq), append(times, at), append(senders, sender)
		kinds, words = append(kinds, kind), append(words, vector)
		return nil
	})
	if err == nil && len(seqs) > 0 {
		_, err = st.tx.Exec(ctx, writeWordsSQL, st.shard, st.conv, seqs, times, senders, kinds, words)
	}
	if err == nil && len(silent) > 0 { // An edit may have left no word.
		_, err = st.tx.Exec(ctx, st.sql(`DELETE FROM message_search_s%d WHERE conv = $1 AND seq = ANY($2)`), st.conv, silent)
	}
	return err
}

// readable is the kind of a message and the text it has now; none if it is encrypted or is no content.
func readable(content, edit []byte) (kind, text string) {
	var first, now frame.Send
	if json.Unmarshal(content, &first) != nil {
		return "", ""
	}
	if now = first; edit != nil {
		if now = (frame.Send{}); json.Unmarshal(edit, &now) != nil {
			return "", ""
		}
	}
	if first.EncryptedContent != "" || now.EncryptedContent != "" {
		return "", ""
	}
	return first.ContentType, now.Content
}
