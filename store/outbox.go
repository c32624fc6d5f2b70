// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const (
	beginFollowerSQL = `INSERT INTO followers (shard, conv, server, since_seq) VALUES ($1, $2, $3, $4)`
	endFollowerSQL   = `UPDATE followers SET until_seq = $4 WHERE shard = $1 AND conv = $2 AND server = $3 AND until_seq < 0`
)

// queueFollowers writes which servers begin and end to follow, one after the other: there are few.
func queueFollowers(batch *pgx.Batch, rows []timeline.FollowerRow) {
	for _, r := range rows {
		q := beginFollowerSQL
		if r.Ends {
			q = endFollowerSQL
		}
		batch.Queue(q, r.Shard, r.Conv, string(r.Server), r.Seq)
	}
}

const followerColumns = `c.id, f.conv, f.server, f.since_seq, f.until_seq, f.acked_seq, f.parked, f.parked_at, c.head_seq, c.state_seq`

// Followers reads a page of the servers that follow conversations of a shard, with the heads as they were flushed.
func (s *Store) Followers(ctx context.Context, n id.Shard, p follower.Page) ([]follower.Row, error) {
	q := fmt.Sprintf(`SELECT `+followerColumns+`
		FROM followers_s%[1]d f JOIN conversations_s%[1]d c ON c.shard = %[1]d AND c.conv = f.conv
		WHERE (f.conv, f.server, f.since_seq) > ($1, $2, $3) AND c.conv >= $1 ORDER BY f.conv, f.server, f.since_seq LIMIT $4`, n)
	args := []any{p.After.Conv, string(p.After.Server), p.After.Since, p.Limit}
	if p.Server != "" {
		q = fmt.Sprintf(`SELECT `+followerColumns+`
		FROM followers_s%[1]d f JOIN conversations_s%[1]d c ON c.shard = %[1]d AND c.conv = f.conv
		WHERE f.server = $1 AND (f.conv, f.since_seq) > ($2, $3) ORDER BY f.conv, f.since_seq LIMIT $4`, n)
		args = []any{string(p.Server), p.After.Conv, p.After.Since, p.Limit}
	}
	rows, err := s.pool(n).Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read followers: %w", err)
	}
	return collectFollowers(rows, n)
}

// Cursors reads where a server is in some conversations of a shard, in order of conversation and Since; those it does not follow
// are left out.
func (s *Store) Cursors(ctx context.Context, n id.Shard, server id.Server, convs []int64) ([]follower.Row, error) {
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT `+followerColumns+`
		FROM followers_s%[1]d f JOIN conversations_s%[1]d c ON c.shard = %[1]d AND c.conv = f.conv
		WHERE f.shard = %[1]d AND f.server = $1 AND f.conv = ANY($2) ORDER BY f.conv, f.since_seq`, n), string(server), convs)
	if err != nil {
		return nil, fmt.Errorf("read where a follower is: %w", err)
	}
	return collectFollowers(rows, n)
}

func collectFollowers(rows pgx.Rows, n id.Shard) ([]follower.Row, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (f follower.Row, err error) {
		f.Shard = n
		return f, scanFollower(row, &f)
	})
}

// scanFollower reads followerColumns, after others.
func scanFollower(row pgx.CollectableRow, f *follower.Row, before ...any) error {
	var raw []byte
	err := row.Scan(append(before, &raw, &f.Conv, &f.Server, &f.Since, &f.Until, &f.Acked, &f.Parked, &f.ParkedAt, &f.Head, &f.State)...)
	if err == nil {
		f.ID, err = conversationID(raw)
	}
	return err
}

const moveCursorsSQL = `
UPDATE followers f SET acked_seq = b.acked, parked = b.parked, parked_at = b.at
  FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[]) AS b(shard, conv, server, acked, parked, at, since)
 WHERE f.shard = b.shard AND f.conv = b.conv AND f.server = b.server AND f.since_seq = b.since`

// MoveCursors writes how far followers are, and what is parked. Rows that are gone stay gone.
func (s *Store) MoveCursors(ctx context.Context, list []follower.Row) error {
	byDB := map[*database][]follower.Row{}
	for _, r := range list {
		db := s.byShard[r.Shard]
		byDB[db] = append(byDB[db], r)
	}
	for db, rows := range byDB {
		if err := moveCursors(ctx, db, rows); err != nil {
			return fmt.Errorf("write where followers are: %w", err)
		}
	}
	return nil
}

func moveCursors(ctx context.Context, db *database, rows []follower.Row) error {
	slices.SortFunc(rows, func(a, b follower.Row) int { // Of two nodes none waits for the other in a circle.
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Conv, b.Conv), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Since, b.Since))
	})
	n := len(rows)
	shards, servers, parked := make([]id.Shard, n), make([]string, n), make([]string, n)
	conv, acked, at, since := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, r := range rows {
		shards[i], conv[i], servers[i] = r.Shard, r.Conv, string(r.Server)
		acked[i], parked[i], at[i], since[i] = r.Acked, r.Parked, r.ParkedAt, r.Since
	}
	_, err := db.pool.Exec(ctx, moveCursorsSQL, shards, conv, servers, acked, parked, at, since)
	return err
}

// DropFollower takes away the row of a server that follows no more.
func (s *Store) DropFollower(ctx context.Context, r follower.Row) error {
	_, err := s.pool(r.Shard).Exec(ctx, `DELETE FROM followers WHERE shard = $1 AND conv = $2 AND server = $3 AND since_seq = $4`,
		r.Shard, r.Conv, string(r.Server), r.Since)
	if err != nil {
		return fmt.Errorf("drop a follower: %w", err)
	}
	return nil
}

// unparkStep is how many rows one statement frees.
const unparkStep = 1000

const unparkSQL = `
UPDATE followers_s%[1]d SET parked = '', parked_at = 0
 WHERE shard = %[1]d AND (conv, server) IN (SELECT conv, server FROM followers_s%[1]d
       WHERE parked <> '' AND parked_at < $1 AND ($2 = '' OR server = $2) AND ($3 = 0 OR conv = $3) LIMIT $4)
RETURNING server`

// Unpark frees what was parked in a shard before a time, of one server only unless it is empty, of one conversation only
// unless it is 0. It returns the servers, each once.
func (s *Store) Unpark(ctx context.Context, n id.Shard, before int64, server id.Server, conv int64) ([]id.Server, error) {
	var out []id.Server
	for {
		rows, err := s.pool(n).Query(ctx, fmt.Sprintf(unparkSQL, n), before, string(server), conv, unparkStep)
		if err != nil {
			return out, fmt.Errorf("unpark: %w", err)
		}
		freed, err := pgx.CollectRows(rows, pgx.RowTo[id.Server])
		if err != nil {
			return out, fmt.Errorf("unpark: %w", err)
		}
		for _, name := range freed {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		if len(freed) < unparkStep {
			return out, nil
		}
	}
}

// CountParked counts what is parked.
func (s *Store) CountParked(ctx context.Context) (int, error) {
	total := 0
	for _, db := range s.dbs {
		var n int
		if err := db.pool.QueryRow(ctx, `SELECT count(*) FROM followers WHERE parked <> ''`).Scan(&n); err != nil {
			return 0, fmt.Errorf("count what is parked: %w", err)
		}
		total += n
	}
	return total, nil
}

// ErrNoFollower says that a server follows nothing and does not fail.
var ErrNoFollower = errors.New("the server follows no conversation of this one")
