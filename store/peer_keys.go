// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/protocol/id"
)

const (
	findPeerKeys = `SELECT document, got FROM peer_keys WHERE server = $1`
	savePeerKeys = `
INSERT INTO peer_keys AS p (server, document, got) VALUES ($1, $2, $3)
ON CONFLICT (server) DO UPDATE SET document = excluded.document, got = excluded.got WHERE p.got < excluded.got`
)

// PeerKeys reads the keys kept of a server as it published them, nil if there are none, and when they were had.
func (s *Store) PeerKeys(ctx context.Context, server id.Server) (document []byte, got int64, err error) {
	err = s.serverPool(server).QueryRow(ctx, findPeerKeys, string(server)).Scan(&document, &got)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read keys of %s: %w", server, err)
	}
	return document, got, nil
}

// SavePeerKeys keeps the keys of a server, unless newer ones are kept.
func (s *Store) SavePeerKeys(ctx context.Context, server id.Server, document []byte, got int64) error {
	if _, err := s.serverPool(server).Exec(ctx, savePeerKeys, string(server), document, got); err != nil {
		return fmt.Errorf("save keys of %s: %w", server, err)
	}
	return nil
}
