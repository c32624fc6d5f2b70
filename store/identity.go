// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"parley.chat/protocol/id"
)

// Identity is whose databases these are: it is written when they are made and cannot change.
type Identity struct {
	Server    id.Server
	PublicKey []byte // of the server's signing key
}

// Claim writes the identity into new databases, and refuses those of another homeserver. Call it after Migrate.
func (s *Store) Claim(ctx context.Context, want Identity) error {
	for i, db := range s.dbs {
		if err := db.claim(ctx, want); err != nil {
			return fmt.Errorf("database %d: %w", i, err)
		}
	}
	return nil
}

func (db *database) claim(ctx context.Context, want Identity) error {
	_, err := db.pool.Exec(ctx, `INSERT INTO homeserver (server_name, public_key) VALUES ($1, $2) ON CONFLICT DO NOTHING`, string(want.Server), want.PublicKey)
	if err != nil {
		return err
	}
	var have Identity
	if err := db.pool.QueryRow(ctx, `SELECT server_name, public_key FROM homeserver`).Scan(&have.Server, &have.PublicKey); err != nil {
		return err
	}
	if have.Server != want.Server {
		return fmt.Errorf("it belongs to the homeserver %s, the configuration says %s: serverName cannot be changed", have.Server, want.Server)
	}
	if !bytes.Equal(have.PublicKey, want.PublicKey) {
		return fmt.Errorf("it was made with another signing key: put the signing.key of %s into the data folder", have.Server)
	}
	return nil
}

// declareShards notes the shards of a new database at once, before any is prepared, and refuses a database that holds others
// than the configuration says: a mix-up is found before users seem to be gone.
func (s *Store) declareShards(ctx context.Context, conn *pgxpool.Conn, want []id.Shard) error {
	_, err := conn.Exec(ctx, `INSERT INTO shards (shard, shard_count) SELECT unnest($1::int[]), $2 WHERE NOT EXISTS (SELECT FROM shards)`, want, s.count)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT shard, shard_count FROM shards`)
	if err != nil {
		return err
	}
	listed := make(map[id.Shard]bool, len(want))
	for _, n := range want {
		listed[n] = true
	}
	var n id.Shard
	var count, held int
	_, err = pgx.ForEachRow(rows, []any{&n, &count}, func() error {
		held++
		if count != s.count {
			return fmt.Errorf("the database was made for %d shards, the configuration says %d: the number is fixed at creation", count, s.count)
		}
		if !listed[n] {
			return fmt.Errorf("the database holds shard %d, which the configuration does not list for it: are two databases mixed up?", n)
		}
		return nil
	})
	if err == nil && held != len(want) {
		err = fmt.Errorf("the database holds %d of the %d shards the configuration lists for it: editing the list does not move shards", held, len(want))
	}
	return err
}
