// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/submission"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

const (
	// The numbers follow the order of the rows, because they are given as the rows are inserted.
	addSubmissions = `
INSERT INTO submissions (shard, conv, dedup, sender, device, temp_id, type, author_time, salt, content)
SELECT shard, conv, dedup, sender, device, temp_id, type, author_time, salt, content
  FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bytea[], $10::bytea[])
       WITH ORDINALITY AS b(shard, conv, dedup, sender, device, temp_id, type, author_time, salt, content, place)
 ORDER BY place
ON CONFLICT (conv, dedup, shard) DO NOTHING
RETURNING shard, conv, dedup`
	submissionColumns = `s.shard, s.conv, s.dedup, s.n, c.id, s.sender, s.device, s.temp_id, s.type, s.author_time, s.salt, s.content, coalesce(s.code, ''), coalesce(s.detail, '')`
	fromSubmissions   = ` FROM submissions s JOIN conversations c ON c.shard = s.shard AND c.conv = s.conv WHERE s.shard = $1 AND s.conv = $2 `
	findSubmission    = `SELECT ` + submissionColumns + fromSubmissions + `AND s.dedup = $3`
	nextSubmissions   = `
SELECT shard, conv, dedup, n, id, sender, device, temp_id, type, author_time, salt, content, code, detail
  FROM (SELECT s.*, sum(octet_length(content)) OVER (ORDER BY n) AS total, row_number() OVER (ORDER BY n) AS place
          FROM (SELECT ` + submissionColumns + fromSubmissions + `AND s.n > $3 AND s.code IS NULL ORDER BY s.n LIMIT $4)
               AS s(shard, conv, dedup, n, id, sender, device, temp_id, type, author_time, salt, content, code, detail)) r
 WHERE total <= $5 OR place = 1 ORDER BY n`
	countSubmissions = `SELECT count(*) FROM submissions WHERE shard = $1 AND conv = $2 AND code IS NULL`
	dropSubmission   = `DELETE FROM submissions WHERE shard = $1 AND conv = $2 AND dedup = $3`
	failSubmission   = `UPDATE submissions SET code = $4, detail = $5, failed_at = $6 WHERE shard = $1 AND conv = $2 AND dedup = $3`
	listWaiting      = `
SELECT c.id, s.shard, s.conv FROM (SELECT DISTINCT shard, conv FROM submissions WHERE shard = $1 AND code IS NULL) s
  JOIN conversations c ON c.shard = s.shard AND c.conv = s.conv`
	sweepSubmissions = `DELETE FROM submissions WHERE ctid IN (SELECT ctid FROM submissions WHERE shard = $1 AND failed_at < $2 LIMIT 10000)`
)

// AddSubmissions makes submissions durable, those of a conversation in the order given. added tells of each whether it is new: a row
// with the same key stays as it is. Either all of a database are written or none.
func (s *Store) AddSubmissions(ctx context.Context, rows []submission.Row) (added []bool, err error) {
	added = make([]bool, len(rows))
	by := map[*database][]int{}
	for i := range rows {
		db := s.byShard[rows[i].Shard]
		by[db] = append(by[db], i)
	}
	for db, places := range by {
		if err := addTo(ctx, db, rows, places, added); err != nil {
			return nil, fmt.Errorf("add submissions: %w", err)
		}
	}
	return added, nil
}

func addTo(ctx context.Context, db *database, rows []submission.Row, places []int, added []bool) error {
	n := len(places)
	shards, conv, dedup, authorTime := make([]id.Shard, n), make([]int64, n), make([]int64, n), make([]int64, n)
	sender, device, tempID, typ := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	salt, content := make([][]byte, n), make([][]byte, n)
	at := make(map[submission.Key]int, n)
	for i, place := range places {
		r := &rows[place]
		shards[i], conv[i], dedup[i], authorTime[i] = r.Shard, r.Conv, r.Dedup, r.Submission.AuthorTime
		sender[i], device[i], tempID[i], typ[i] = string(r.Submission.Sender), string(r.Submission.DeviceID), r.Submission.TempID, r.Submission.Type
		salt[i], content[i] = r.Salt[:], r.Content
		at[r.Key()] = place
	}
	got, err := db.pool.Query(ctx, addSubmissions, shards, conv, dedup, sender, device, tempID, typ, authorTime, salt, content)
	if err != nil {
		return err
	}
	keys, err := pgx.CollectRows(got, pgx.RowToStructByPos[submission.Key])
	for _, k := range keys {
		added[at[k]] = true
	}
	return err
}

func scanSubmission(row pgx.CollectableRow) (r submission.Row, err error) {
	var conv, salt []byte
	var code string
	sub := &r.Submission
	err = row.Scan(&r.Shard, &r.Conv, &r.Dedup, &r.N, &conv, &sub.Sender, &sub.DeviceID, &sub.TempID, &sub.Type, &sub.AuthorTime, &salt, &r.Content, &code, &r.Detail)
	if err != nil {
		return r, err
	}
	if len(salt) != event.SaltSize {
		return r, errors.New("a salt has the wrong length")
	}
	r.Salt, r.Code = [event.SaltSize]byte(salt), fault.Code(code)
	sub.ContentHash = event.ContentHash(r.Salt, r.Content)
	sub.ConversationID, err = conversationID(conv)
	return r, err
}

// Submission reads a submission; nil if there is none.
func (s *Store) Submission(ctx context.Context, k submission.Key) (*submission.Row, error) {
	rows, err := s.pool(k.Shard).Query(ctx, findSubmission, k.Shard, k.Conv, k.Dedup)
	if err != nil {
		return nil, fmt.Errorf("read submission: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanSubmission)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read submission: %w", err)
	}
	return &r, nil
}

// Submissions reads those of a conversation that wait, in order, after a number: at most limit, and as many as take so many bytes, but
// one at least.
func (s *Store) Submissions(ctx context.Context, n id.Shard, conv, after int64, limit, bytes int) ([]submission.Row, error) {
	rows, err := s.pool(n).Query(ctx, nextSubmissions, n, conv, after, limit, bytes)
	if err != nil {
		return nil, fmt.Errorf("read submissions: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanSubmission)
	if err != nil {
		return nil, fmt.Errorf("read submissions: %w", err)
	}
	return out, nil
}

// CountSubmissions counts those of a conversation that wait.
func (s *Store) CountSubmissions(ctx context.Context, n id.Shard, conv int64) (count int, err error) {
	if err = s.pool(n).QueryRow(ctx, countSubmissions, n, conv).Scan(&count); err != nil {
		return 0, fmt.Errorf("count submissions: %w", err)
	}
	return count, nil
}

// DropSubmission forgets one, if it is there.
func (s *Store) DropSubmission(ctx context.Context, k submission.Key) error {
	if _, err := s.pool(k.Shard).Exec(ctx, dropSubmission, k.Shard, k.Conv, k.Dedup); err != nil {
		return fmt.Errorf("drop submission: %w", err)
	}
	return nil
}

// FailSubmission notes why one was refused; at is in Unix milliseconds.
func (s *Store) FailSubmission(ctx context.Context, k submission.Key, code fault.Code, detail string, at int64) error {
	if _, err := s.pool(k.Shard).Exec(ctx, failSubmission, k.Shard, k.Conv, k.Dedup, string(code), detail, at); err != nil {
		return fmt.Errorf("fail submission: %w", err)
	}
	return nil
}

// WaitingSubmissions lists the conversations of a shard in which some wait.
func (s *Store) WaitingSubmissions(ctx context.Context, n id.Shard) ([]submission.Waiting, error) {
	rows, err := s.pool(n).Query(ctx, listWaiting, n)
	if err != nil {
		return nil, fmt.Errorf("list submissions: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w submission.Waiting, err error) {
		var conv []byte
		if err = row.Scan(&conv, &w.Shard, &w.Conv); err == nil {
			w.ConversationID, err = conversationID(conv)
		}
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("list submissions: %w", err)
	}
	return out, nil
}

// SweepSubmissions forgets those of a shard that were refused before a time, in Unix milliseconds.
func (s *Store) SweepSubmissions(ctx context.Context, n id.Shard, before int64) error {
	if _, err := s.pool(n).Exec(ctx, sweepSubmissions, n, before); err != nil {
		return fmt.Errorf("sweep submissions: %w", err)
	}
	return nil
}
