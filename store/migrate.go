// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"parley.chat/migrations"
	"parley.chat/protocol/id"
)

// partitioned lists the tables cut by logical shard; events is cut again by pos (see event.go).
var partitioned = [...]string{
	"conversations", "members", "user_conversations",
	"channel_subscribers", "channel_counts", "channel_views", "user_channels",
	"users", "devices", "spent_tokens", "phone_numbers", "registration_tokens",
	"account_data",
	"annotations", "reactions", "mentions",
	"event_origins", "submissions", "replicas",
	"reports", "moderation_actions", "erasures",
	"search_progress", "message_search",
	"followers",
	"events",
}

// Migrate brings every database to this release: migrations, then the rows and partitions of its shards. It is safe to run
// on several nodes at once, and does nothing on a database that is current.
func (s *Store) Migrate(ctx context.Context) error {
	for i, db := range s.dbs {
		if err := s.migrateDatabase(ctx, db); err != nil {
			return fmt.Errorf("migrate database %d: %w", i, err)
		}
	}
	return nil
}

func (s *Store) migrateDatabase(ctx context.Context, db *database) error {
	if err := runGoose(ctx, db.pool); err != nil {
		return err
	}
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(7061726)`); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(7061726)`) }()
	if err := s.declareShards(ctx, conn, db.shards); err != nil {
		return err
	}
	for _, n := range db.shards {
		if err := s.prepareShard(ctx, conn, n); err != nil {
			return fmt.Errorf("shard %d: %w", n, err)
		}
	}
	return nil
}

func runGoose(ctx context.Context, pool *pgxpool.Pool) error {
	sqlDB := stdlib.OpenDBFromPool(pool)
	defer sqlDB.Close()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, sqlDB, migrations.Files, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// prepareShard makes the partitions of a shard that are missing: all in a new database, those of new tables after an upgrade.
func (s *Store) prepareShard(ctx context.Context, conn *pgxpool.Conn, n id.Shard) error {
	missing, err := s.missingTables(ctx, conn, n)
	if err != nil || len(missing) == 0 {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for _, table := range missing {
		statements := []string{fmt.Sprintf(`CREATE TABLE %[1]s_s%[2]d PARTITION OF %[1]s FOR VALUES IN (%[2]d)`, table, n)}
		if table == "events" {
			statements = s.eventPartitionSQL(n)
		}
		for _, q := range statements {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
	}
	return tx.Commit(ctx)
}

func (s *Store) missingTables(ctx context.Context, conn *pgxpool.Conn, n id.Shard) ([]string, error) {
	rows, err := conn.Query(ctx, `SELECT name FROM unnest($1::text[]) AS t(name) WHERE to_regclass(name || $2) IS NULL`, partitioned[:], fmt.Sprintf("_s%d", n))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
