// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/follower"
	"parley.chat/protocol/id"
)

const (
	destinationColumns = `server, failing_since, failures, next_try, last_error`
	setDestinationSQL  = `
INSERT INTO destinations (` + destinationColumns + `) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (server) DO UPDATE SET failing_since = excluded.failing_since, failures = excluded.failures, next_try = excluded.next_try, last_error = excluded.last_error`
	wantRetrySQL = `INSERT INTO destinations (server, retry_at) VALUES ($1, $2) ON CONFLICT (server) DO UPDATE SET retry_at = excluded.retry_at`
)

// maxError is how much of the last error of a destination is kept, in bytes.
const maxError = 500

// SetDestination notes that a server fails.
func (s *Store) SetDestination(ctx context.Context, d follower.Destination) error {
	_, err := s.serverPool(d.Server).Exec(ctx, setDestinationSQL, string(d.Server), d.FailingSince, d.Failures, d.NextTry, clean(d.LastError))
	if err != nil {
		return fmt.Errorf("note a failing server: %w", err)
	}
	return nil
}

// clean makes an error fit for a column: part of it was said by another server.
func clean(text string) string {
	out := make([]rune, 0, maxError)
	for _, r := range text {
		if len(out) == maxError {
			break
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r) // Bytes that are no UTF-8 come as U+FFFD.
	}
	return string(out)
}

// ForgetDestination notes that a server does not fail any more.
func (s *Store) ForgetDestination(ctx context.Context, server id.Server) error {
	if _, err := s.serverPool(server).Exec(ctx, `DELETE FROM destinations WHERE server = $1`, string(server)); err != nil {
		return fmt.Errorf("forget a failing server: %w", err)
	}
	return nil
}

// Destinations lists the servers that fail.
func (s *Store) Destinations(ctx context.Context) ([]follower.Destination, error) {
	var out []follower.Destination
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, `SELECT `+destinationColumns+` FROM destinations WHERE failing_since > 0`)
		if err != nil {
			return nil, fmt.Errorf("list failing servers: %w", err)
		}
		part, err := pgx.CollectRows(rows, pgx.RowToStructByPos[follower.Destination])
		if err != nil {
			return nil, fmt.Errorf("list failing servers: %w", err)
		}
		out = append(out, part...)
	}
	return out, nil
}

// Retries lists the servers that the operator wants to be tried since a time, and the newest such time.
func (s *Store) Retries(ctx context.Context, since int64) (servers []id.Server, newest int64, err error) {
	newest = since
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, `SELECT server, retry_at FROM destinations WHERE retry_at > $1`, since)
		if err != nil {
			return nil, since, fmt.Errorf("read whom to try: %w", err)
		}
		var name id.Server
		var at int64
		if _, err := pgx.ForEachRow(rows, []any{&name, &at}, func() error {
			servers, newest = append(servers, name), max(newest, at)
			return nil
		}); err != nil {
			return nil, since, fmt.Errorf("read whom to try: %w", err)
		}
	}
	return servers, newest, nil
}

// RetryServer frees everything that is parked for a server and asks the nodes to try it, by the operator's word. It returns
// how much was freed; ErrNoFollower if the server neither follows anything nor fails.
func (s *Store) RetryServer(ctx context.Context, server id.Server, now int64) (freed int64, err error) {
	known := false
	for _, db := range s.dbs {
		var here bool
		err := db.pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM followers WHERE server = $1) OR EXISTS (SELECT 1 FROM destinations WHERE server = $1)`, string(server)).Scan(&here)
		if err != nil {
			return freed, fmt.Errorf("retry %s: %w", server, err)
		}
		known = known || here
		tag, err := db.pool.Exec(ctx, `UPDATE followers SET parked = '', parked_at = 0 WHERE server = $1 AND parked <> ''`, string(server))
		if err != nil {
			return freed, fmt.Errorf("retry %s: %w", server, err)
		}
		freed += tag.RowsAffected()
	}
	if !known {
		return 0, ErrNoFollower
	}
	if _, err := s.serverPool(server).Exec(ctx, wantRetrySQL, string(server), now); err != nil {
		return freed, fmt.Errorf("retry %s: %w", server, err)
	}
	return freed, nil
}

const summarySQL = `
SELECT f.server, count(*), count(*) FILTER (WHERE f.acked_seq < CASE WHEN f.until_seq < 0 THEN c.head_seq ELSE f.until_seq END), count(*) FILTER (WHERE f.parked <> '')
  FROM followers f JOIN conversations c ON c.shard = f.shard AND c.conv = f.conv GROUP BY f.server`

// Summaries lists every server that follows conversations or fails, in no order.
func (s *Store) Summaries(ctx context.Context) ([]follower.Summary, error) {
	sums := map[id.Server]follower.Summary{}
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, summarySQL)
		if err != nil {
			return nil, fmt.Errorf("sum up followers: %w", err)
		}
		var name id.Server
		var all, behind, parked int
		if _, err := pgx.ForEachRow(rows, []any{&name, &all, &behind, &parked}, func() error {
			sum := sums[name]
			sum.Server = name
			sum.Conversations, sum.Behind, sum.Parked = sum.Conversations+all, sum.Behind+behind, sum.Parked+parked
			sums[name] = sum
			return nil
		}); err != nil {
			return nil, fmt.Errorf("sum up followers: %w", err)
		}
	}
	failing, err := s.Destinations(ctx)
	for _, d := range failing {
		sum := sums[d.Server]
		sum.Destination = d
		sums[d.Server] = sum
	}
	out := make([]follower.Summary, 0, len(sums))
	for _, sum := range sums {
		out = append(out, sum)
	}
	return out, err
}

// Parked lists what is parked for a server, oldest first in each database, at most limit of each.
func (s *Store) Parked(ctx context.Context, server id.Server, limit int) ([]follower.Row, error) {
	var out []follower.Row
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, `SELECT f.shard, `+followerColumns+`
			FROM followers f JOIN conversations c ON c.shard = f.shard AND c.conv = f.conv
			WHERE f.server = $1 AND f.parked <> '' ORDER BY f.parked_at LIMIT $2`, string(server), limit)
		if err != nil {
			return nil, fmt.Errorf("list what is parked: %w", err)
		}
		part, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f follower.Row, err error) {
			return f, scanFollower(row, &f, &f.Shard)
		})
		if err != nil {
			return nil, fmt.Errorf("list what is parked: %w", err)
		}
		out = append(out, part...)
	}
	return out, nil
}
