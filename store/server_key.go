// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ServerKey is a key of this homeserver, without its private part.
type ServerKey struct {
	ID        string
	Public    []byte
	From      int64 // Unix milliseconds
	Until     int64 // 0: no end is planned
	IsRevoked bool
}

const (
	putServerKey = `INSERT INTO server_keys (key_id, public_key, valid_from) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	endServerKey = `UPDATE server_keys SET valid_until = $2, is_revoked = is_revoked OR $3
WHERE key_id = $1 AND (valid_until = 0 OR valid_until > $2 OR $3)`
	serverKeys = `SELECT key_id, public_key, valid_from, valid_until, is_revoked FROM server_keys ORDER BY valid_from DESC, key_id`
)

// ServerKeys returns all keys, the newest first.
func (s *Store) ServerKeys(ctx context.Context) ([]ServerKey, error) {
	rows, err := s.pool(0).Query(ctx, serverKeys)
	if err != nil {
		return nil, fmt.Errorf("read server keys: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ServerKey])
	if err != nil {
		return nil, fmt.Errorf("read server keys: %w", err)
	}
	return out, nil
}

// AddServerKey adds a key without an end; one that is there already stays as it is.
func (s *Store) AddServerKey(ctx context.Context, k ServerKey) error {
	if _, err := s.pool(0).Exec(ctx, putServerKey, k.ID, k.Public, k.From); err != nil {
		return fmt.Errorf("add server key: %w", err)
	}
	return nil
}

// ErrNoServerKey says that there is no such key, or that it ended before.
var ErrNoServerKey = errors.New("there is no such key, or it ended before")

// EndServerKey gives a key its end. The end only moves forward in life, to an earlier time; a revocation may set any.
func (s *Store) EndServerKey(ctx context.Context, keyID string, until int64, revoke bool) error {
	tag, err := s.pool(0).Exec(ctx, endServerKey, keyID, until, revoke)
	if err != nil {
		return fmt.Errorf("end server key: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("key %s: %w", keyID, ErrNoServerKey)
	}
	return nil
}
