// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"parley.chat/protocol/id"
)

const (
	findHandover = `SELECT handovers->>$3 FROM replicas WHERE shard = $1 AND id = $2`
	saveHandover = `
INSERT INTO replicas AS r (shard, id, handovers) VALUES ($1, $2, jsonb_build_object($3::text, $4::text))
ON CONFLICT (id, shard) DO UPDATE SET handovers = excluded.handovers || r.handovers`
)

// Handover reads the checkpoint with which a term of a conversation ended, nil if it is not kept.
func (s *Store) Handover(ctx context.Context, c id.Conversation, term int64) ([]byte, error) {
	n, key := c.Shard(s.count), c.Bytes()
	var text *string
	err := s.pool(n).QueryRow(ctx, findHandover, n, key[:], strconv.FormatInt(term, 10)).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && text == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read handover: %w", err)
	}
	return []byte(*text), nil
}

// SaveHandover keeps the checkpoint with which a term of a conversation ended, unless one is kept already.
func (s *Store) SaveHandover(ctx context.Context, c id.Conversation, term int64, checkpoint []byte) error {
	n, key := c.Shard(s.count), c.Bytes()
	if _, err := s.pool(n).Exec(ctx, saveHandover, n, key[:], strconv.FormatInt(term, 10), string(checkpoint)); err != nil {
		return fmt.Errorf("save handover: %w", err)
	}
	return nil
}
