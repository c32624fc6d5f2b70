// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"parley.chat/protocol/id"
)

const (
	claimNonce  = `INSERT INTO request_nonces (origin, nonce, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	sweepNonces = `DELETE FROM request_nonces WHERE ctid IN (SELECT ctid FROM request_nonces WHERE until < $1 LIMIT 10000)`
)

// nonceMargin is how far the clocks of nodes may be apart: a nonce stays so much longer than its request could be used.
const nonceMargin = 2 * time.Minute

// ClaimNonce notes that the origin used the nonce and reports whether it is the first time. All nodes see the same.
func (s *Store) ClaimNonce(ctx context.Context, origin id.Server, nonce [16]byte, until time.Time) (bool, error) {
	tag, err := s.serverPool(origin).Exec(ctx, claimNonce, string(origin), nonce[:], until.Add(nonceMargin).UnixMilli())
	if err != nil {
		return false, fmt.Errorf("claim nonce: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// serverPool is the database that keeps what there is once of another server.
func (s *Store) serverPool(name id.Server) *pgxpool.Pool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return s.pool(id.Shard(h.Sum32() % uint32(s.count)))
}

// SweepNonces forgets nonces that have expired by now, in bounded steps, and returns how many.
func (s *Store) SweepNonces(ctx context.Context, now time.Time) (int64, error) {
	var swept int64
	for i, db := range s.dbs {
		for {
			tag, err := db.pool.Exec(ctx, sweepNonces, now.UnixMilli())
			if err != nil {
				return swept, fmt.Errorf("sweep nonces of database %d: %w", i, err)
			}
			swept += tag.RowsAffected()
			if tag.RowsAffected() < 10000 {
				break
			}
		}
	}
	return swept, nil
}
