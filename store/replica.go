// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

const (
	findReplica     = `SELECT checkpoint, proof IS NOT NULL FROM replicas WHERE shard = $1 AND id = $2`
	saveCheckpoints = `
INSERT INTO replicas (shard, id, checkpoint) SELECT * FROM unnest($1::int[], $2::bytea[], $3::text[])
ON CONFLICT (id, shard) DO UPDATE SET checkpoint = excluded.checkpoint`
	saveProof = `
INSERT INTO replicas AS r (shard, id, proof) VALUES ($1, $2, $3)
ON CONFLICT (id, shard) DO UPDATE SET proof = coalesce(r.proof, excluded.proof)`
	listProofs = `SELECT proof FROM replicas WHERE proof IS NOT NULL ORDER BY id LIMIT $1`
)

// Replica reads the newest checkpoint kept of a replica, nil if there is none, and whether its hub showed two histories.
func (s *Store) Replica(ctx context.Context, c id.Conversation) (checkpoint []byte, diverged bool, err error) {
	n, key := c.Shard(s.count), c.Bytes()
	var text *string
	err = s.pool(n).QueryRow(ctx, findReplica, n, key[:]).Scan(&text, &diverged)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read replica: %w", err)
	}
	if text != nil {
		checkpoint = []byte(*text)
	}
	return checkpoint, diverged, nil
}

// SaveCheckpoints keeps checkpoints in place of those before.
func (s *Store) SaveCheckpoints(ctx context.Context, list map[id.Conversation][]byte) error {
	type rows struct {
		shards []id.Shard
		ids    [][]byte
		texts  []string
	}
	by := map[*database]*rows{}
	for c, raw := range list {
		n, key := c.Shard(s.count), c.Bytes()
		r := by[s.byShard[n]]
		if r == nil {
			r = &rows{}
			by[s.byShard[n]] = r
		}
		r.shards, r.ids, r.texts = append(r.shards, n), append(r.ids, key[:]), append(r.texts, string(raw))
	}
	for db, r := range by {
		if _, err := db.pool.Exec(ctx, saveCheckpoints, r.shards, r.ids, r.texts); err != nil {
			return fmt.Errorf("save checkpoints: %w", err)
		}
	}
	return nil
}

// SaveProof keeps a proof against the hub of a conversation, unless there is one already.
func (s *Store) SaveProof(ctx context.Context, c id.Conversation, proof []byte) error {
	n, key := c.Shard(s.count), c.Bytes()
	if _, err := s.pool(n).Exec(ctx, saveProof, n, key[:], string(proof)); err != nil {
		return fmt.Errorf("save proof: %w", err)
	}
	return nil
}

// Proofs reads the proofs kept, at most so many.
func (s *Store) Proofs(ctx context.Context, limit int) (out [][]byte, err error) {
	for i, db := range s.dbs {
		rows, err := db.pool.Query(ctx, listProofs, limit-len(out))
		if err != nil {
			return nil, fmt.Errorf("read proofs of database %d: %w", i, err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("read proofs of database %d: %w", i, err)
		}
		for _, text := range list {
			out = append(out, []byte(text))
		}
	}
	return out, nil
}

// Hashes reads the hashes of entries held, in order from a seq on, at most so many.
func (s *Store) Hashes(ctx context.Context, n id.Shard, conv, from int64, limit int) ([]event.Hash, error) {
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT hash FROM events_s%d WHERE pos >= $1 AND conv = $1 AND seq >= $2 ORDER BY seq LIMIT $3`, n), conv, from, limit)
	if err != nil {
		return nil, fmt.Errorf("read hashes: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h event.Hash, err error) {
		var raw []byte
		if err := row.Scan(&raw); err != nil {
			return h, err
		}
		if len(raw) != len(h) {
			return h, errors.New("a hash has the wrong length")
		}
		return event.Hash(raw), nil
	})
}
