// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/channel"
	"parley.chat/protocol/id"
)

// Subscriptions implements channel.Store.
func (s *Store) Subscriptions(ctx context.Context, u id.User, limit int) ([]id.Conversation, error) {
	pool, n := s.userPool(u)
	rows, err := pool.Query(ctx, fmt.Sprintf(`SELECT conversation_id FROM user_channels_s%d WHERE user_id = $1 LIMIT $2`, n), string(u), limit)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions of %s: %w", u, err)
	}
	return pgx.CollectRows(rows, scanConversationID)
}

const selectReaders = `SELECT conv, user_id, since_seq, read_seq, read_count, subscribed_at, banned_at, muted_until, is_pinned, is_archived FROM channel_subscribers_s%d `

func scanReader(row pgx.CollectableRow) (r reader, err error) {
	return r, row.Scan(&r.conv, &r.User, &r.SinceSeq, &r.ReadSeq, &r.ReadCount, &r.SubscribedAt, &r.BannedAt, &r.MutedUntil, &r.IsPinned, &r.IsArchived)
}

// reader is a row with the channel it belongs to.
type reader struct {
	conv int64
	channel.Reader
}

// subscribeSQL inserts a row, or makes a ban a subscription again if $7, and counts what was added.
const subscribeSQL = `
WITH added AS (
    INSERT INTO channel_subscribers_s%[1]d AS s (shard, conv, user_id, since_seq, read_seq, read_count, subscribed_at)
    VALUES (%[1]d, $1, $2, $3, $4, $5, $6)
    ON CONFLICT (shard, conv, user_id) DO UPDATE
       SET since_seq = excluded.since_seq, read_seq = excluded.read_seq, read_count = excluded.read_count,
           subscribed_at = excluded.subscribed_at, banned_at = 0
     WHERE s.banned_at > 0 AND $7
    RETURNING 1)
INSERT INTO channel_counts_s%[1]d AS c (shard, conv, subscribers) SELECT %[1]d, $1, 1 FROM added
ON CONFLICT (shard, conv) DO UPDATE SET subscribers = c.subscribers + 1`

// Subscribe implements channel.Store. The row comes before its index: without the index it is asked for again, and then done.
func (s *Store) Subscribe(ctx context.Context, p channel.Place, c id.Conversation, r channel.Reader, pardon bool) (channel.Reader, error) {
	pool := s.pool(p.Shard)
	_, err := pool.Exec(ctx, fmt.Sprintf(subscribeSQL, p.Shard), p.Conv, string(r.User), r.SinceSeq, r.ReadSeq, r.ReadCount, r.SubscribedAt, pardon)
	if err != nil {
		return r, fmt.Errorf("subscribe to %s: %w", c, err)
	}
	rows, err := s.Readers(ctx, p.Shard, []int64{p.Conv}, r.User)
	if err != nil {
		return r, err
	}
	have, ok := rows[p.Conv]
	if !ok {
		return r, errors.New("the subscription was ended meanwhile")
	}
	if have.BannedAt > 0 {
		return have, nil
	}
	pool, n := s.userPool(r.User)
	raw := c.Bytes()
	_, err = pool.Exec(ctx, fmt.Sprintf(`INSERT INTO user_channels_s%[1]d (shard, user_id, conversation_id, subscribed_at) VALUES (%[1]d, $1, $2, $3) ON CONFLICT DO NOTHING`, n),
		string(r.User), raw[:], have.SubscribedAt)
	if err != nil {
		return have, fmt.Errorf("index the subscription to %s: %w", c, err)
	}
	return have, nil
}

// unsubscribeSQL deletes a subscription, bans stay; banSQL makes one a ban, or makes the ban of who was no subscriber.
const (
	unsubscribeSQL = `
WITH gone AS (DELETE FROM channel_subscribers_s%[1]d WHERE conv = $1 AND user_id = $2 AND banned_at = 0 RETURNING 1)
UPDATE channel_counts_s%[1]d SET subscribers = subscribers - 1 WHERE conv = $1 AND EXISTS (SELECT FROM gone)`
	banSQL = `
WITH gone AS (UPDATE channel_subscribers_s%[1]d SET banned_at = $3 WHERE conv = $1 AND user_id = $2 AND banned_at = 0 RETURNING 1),
     made AS (INSERT INTO channel_subscribers_s%[1]d (shard, conv, user_id, since_seq, read_seq, read_count, subscribed_at, banned_at)
              SELECT %[1]d, $1, $2, 0, 0, 0, 0, $3 WHERE NOT EXISTS (SELECT FROM gone) ON CONFLICT DO NOTHING)
UPDATE channel_counts_s%[1]d SET subscribers = subscribers - 1 WHERE conv = $1 AND EXISTS (SELECT FROM gone)`
)

// Unsubscribe implements channel.Store. The index goes first: what is left without it is found when it is asked for again.
func (s *Store) Unsubscribe(ctx context.Context, p channel.Place, c id.Conversation, u id.User, bannedAt int64) error {
	pool, n := s.userPool(u)
	raw := c.Bytes()
	_, err := pool.Exec(ctx, fmt.Sprintf(`DELETE FROM user_channels_s%d WHERE user_id = $1 AND conversation_id = $2`, n), string(u), raw[:])
	if err != nil {
		return fmt.Errorf("unindex the subscription to %s: %w", c, err)
	}
	args, q := []any{p.Conv, string(u)}, unsubscribeSQL
	if bannedAt > 0 {
		args, q = append(args, bannedAt), banSQL
	}
	if _, err := s.pool(p.Shard).Exec(ctx, fmt.Sprintf(q, p.Shard), args...); err != nil {
		return fmt.Errorf("unsubscribe from %s: %w", c, err)
	}
	return nil
}

// Readers implements channel.Store.
func (s *Store) Readers(ctx context.Context, n id.Shard, convs []int64, u id.User) (map[int64]channel.Reader, error) {
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(selectReaders, n)+`WHERE conv = ANY($1) AND user_id = $2`, convs, string(u))
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanReader)
	out := make(map[int64]channel.Reader, len(list))
	for _, r := range list {
		out[r.conv] = r.Reader
	}
	return out, err
}

// Subscribers implements channel.Store.
func (s *Store) Subscribers(ctx context.Context, p channel.Place, after id.User, banned bool, limit int) ([]channel.Reader, error) {
	rows, err := s.pool(p.Shard).Query(ctx, fmt.Sprintf(selectReaders, p.Shard)+`WHERE conv = $1 AND user_id > $2 AND (banned_at > 0) = $3 ORDER BY user_id LIMIT $4`,
		p.Conv, string(after), banned, limit)
	if err != nil {
		return nil, fmt.Errorf("list subscribers: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanReader)
	out := make([]channel.Reader, len(list))
	for i, r := range list {
		out[i] = r.Reader
	}
	return out, err
}

// Count implements channel.Store.
func (s *Store) Count(ctx context.Context, p channel.Place) (n int64, err error) {
	err = s.pool(p.Shard).QueryRow(ctx, fmt.Sprintf(`SELECT coalesce(max(subscribers), 0) FROM channel_counts_s%d WHERE conv = $1`, p.Shard), p.Conv).Scan(&n)
	return n, err
}

// Set implements channel.Store.
func (s *Store) Set(ctx context.Context, p channel.Place, u id.User, set channel.Settings) error {
	_, err := s.pool(p.Shard).Exec(ctx, fmt.Sprintf(`UPDATE channel_subscribers_s%d SET muted_until = $3, is_pinned = $4, is_archived = $5 WHERE conv = $1 AND user_id = $2 AND banned_at = 0`, p.Shard),
		p.Conv, string(u), set.MutedUntil, set.IsPinned, set.IsArchived)
	return err
}

// Views implements channel.Store.
func (s *Store) Views(ctx context.Context, p channel.Place, seqs []int64) (map[int64]int64, error) {
	rows, err := s.pool(p.Shard).Query(ctx, fmt.Sprintf(`SELECT seq, views FROM channel_views_s%d WHERE conv = $1 AND seq = ANY($2)`, p.Shard), p.Conv, seqs)
	if err != nil {
		return nil, fmt.Errorf("read views: %w", err)
	}
	out := make(map[int64]int64, len(seqs))
	var seq, n int64
	_, err = pgx.ForEachRow(rows, []any{&seq, &n}, func() error { out[seq] = n; return nil })
	return out, err
}

const (
	flushReadersSQL = `
UPDATE channel_subscribers s SET read_seq = greatest(s.read_seq, b.read), read_count = greatest(s.read_count, b.count)
  FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) AS b(shard, conv, user_id, read, count)
 WHERE s.shard = b.shard AND s.conv = b.conv AND s.user_id = b.user_id AND s.banned_at = 0`
	flushViewsSQL = `
INSERT INTO channel_views AS v (shard, conv, seq, views)
SELECT b.shard, b.conv, seq, b.added
  FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS b(shard, conv, first, last, added), generate_series(b.first, b.last) AS seq
ON CONFLICT (shard, conv, seq) DO UPDATE SET views = v.views + excluded.views`
)

// Flush implements channel.Store: a transaction for each database.
func (s *Store) Flush(ctx context.Context, points []channel.Point, views []channel.Views) error {
	for _, db := range s.dbs {
		batch := &pgx.Batch{}
		mine := func(p channel.Place) bool { return s.byShard[p.Shard] == db }
		queueReaders(batch, points, mine)
		queueViews(batch, views, mine)
		if batch.Len() == 0 {
			continue
		}
		if err := db.pool.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("flush read pointers: %w", err)
		}
	}
	return nil
}

func queueReaders(batch *pgx.Batch, points []channel.Point, mine func(channel.Place) bool) {
	var shards []id.Shard
	var conv, read, count []int64
	var users []string
	for _, p := range points {
		if mine(p.Place) {
			shards, conv, users = append(shards, p.Shard), append(conv, p.Conv), append(users, string(p.User))
			read, count = append(read, p.Read), append(count, p.ReadCount)
		}
	}
	if len(shards) > 0 {
		batch.Queue(flushReadersSQL, shards, conv, users, read, count)
	}
}

// queueViews sorts the rows, so that two nodes that flush lock them in one order.
func queueViews(batch *pgx.Batch, views []channel.Views, mine func(channel.Place) bool) {
	var shards []id.Shard
	var conv, first, last, added []int64
	for _, v := range slices.SortedFunc(slices.Values(views), channel.Views.Compare) {
		if mine(v.Place) {
			shards, conv = append(shards, v.Shard), append(conv, v.Conv)
			first, last, added = append(first, v.First), append(last, v.Last), append(added, v.Add)
		}
	}
	if len(shards) > 0 {
		batch.Queue(flushViewsSQL, shards, conv, first, last, added)
	}
}
