// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const acquireSQL = `
UPDATE shards SET owner = $1, epoch = epoch + 1, lease_until = now() + $3::interval
 WHERE shard = ANY($2::int[]) AND (lease_until < now() OR owner = $1 OR owner = '')
RETURNING shard, epoch, pos, flushed_pos, mark`

const renewSQL = `
UPDATE shards s SET lease_until = now() + $4::interval
  FROM unnest($2::int[], $3::bigint[]) AS h(shard, epoch)
 WHERE s.shard = h.shard AND s.epoch = h.epoch AND s.owner = $1`

// Acquire implements timeline.Store. The row lock of each shard waits for a commit of the owner before that is under way.
func (s *Store) Acquire(ctx context.Context, node string, shards []id.Shard, ttl time.Duration) ([]timeline.Lease, error) {
	var out []timeline.Lease
	for db, numbers := range s.split(shards) {
		rows, err := db.pool.Query(ctx, acquireSQL, node, numbers, ttl)
		if err != nil {
			return nil, fmt.Errorf("acquire shards: %w", err)
		}
		got, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (l timeline.Lease, err error) {
			return l, r.Scan(&l.Shard, &l.Epoch, &l.Pos, &l.Flushed, &l.Mark)
		})
		if err != nil {
			return nil, fmt.Errorf("acquire shards: %w", err)
		}
		out = append(out, got...)
	}
	return out, nil
}

// Renew implements timeline.Store.
func (s *Store) Renew(ctx context.Context, node string, leases []timeline.Lease, ttl time.Duration) error {
	type held struct{ shards, epochs []int64 }
	by := map[*database]*held{}
	for _, l := range leases {
		h := by[s.byShard[l.Shard]]
		if h == nil {
			h = &held{}
			by[s.byShard[l.Shard]] = h
		}
		h.shards, h.epochs = append(h.shards, int64(l.Shard)), append(h.epochs, l.Epoch)
	}
	for db, h := range by {
		tag, err := db.pool.Exec(ctx, renewSQL, node, h.shards, h.epochs, ttl)
		if err != nil {
			return fmt.Errorf("renew leases: %w", err)
		}
		if int(tag.RowsAffected()) != len(h.shards) {
			return timeline.ErrStale
		}
	}
	return nil
}

// Release lets the leases go, so that another node can take them at once.
func (s *Store) Release(ctx context.Context, node string) error {
	for _, db := range s.dbs {
		if _, err := db.pool.Exec(ctx, `UPDATE shards SET lease_until = '-infinity' WHERE owner = $1`, node); err != nil {
			return fmt.Errorf("release leases: %w", err)
		}
	}
	return nil
}

func (s *Store) split(shards []id.Shard) map[*database][]id.Shard {
	out := map[*database][]id.Shard{}
	for _, n := range shards {
		out[s.byShard[n]] = append(out[s.byShard[n]], n)
	}
	return out
}
