// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"parley.chat/protocol/id"
)

// Database is one physical database and the logical shards it holds.
type Database struct {
	DSN    string
	Shards []id.Shard
}

// Store spans the databases. Make it with Open.
type Store struct {
	count   int
	rows    int64 // positions in one partition of a shard's events
	dbs     []*database
	byShard []*database
}

type database struct {
	pool   *pgxpool.Pool
	shards []id.Shard
}

// Open makes the pools; it does not wait for a database to answer. Every shard below count is held exactly once.
func Open(ctx context.Context, count int, databases []Database) (*Store, error) {
	s := &Store{count: count, rows: partitionRows, byShard: make([]*database, count)}
	for i, d := range databases {
		pool, err := openPool(ctx, d.DSN)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("open database %d: %w", i, err)
		}
		db := &database{pool: pool, shards: d.Shards}
		s.dbs = append(s.dbs, db)
		for _, n := range d.Shards {
			if int(n) >= count || s.byShard[n] != nil {
				s.Close()
				return nil, fmt.Errorf("shard %d is out of range or held twice", n)
			}
			s.byShard[n] = db
		}
	}
	for n, db := range s.byShard {
		if db == nil {
			s.Close()
			return nil, fmt.Errorf("no database holds shard %d", n)
		}
	}
	return s, nil
}

func openPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("malformed DSN") // The cause would print the DSN with its password.
	}
	cfg.MaxConns = max(cfg.MaxConns, 8)
	cfg.HealthCheckPeriod = 5 * time.Second
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	return pgxpool.NewWithConfig(ctx, cfg)
}

// Close closes the pools.
func (s *Store) Close() {
	for _, db := range s.dbs {
		db.pool.Close()
	}
}

// Shards is the number of logical shards.
func (s *Store) Shards() int { return s.count }

// Groups lists the shards of each database: one committer serves a group.
func (s *Store) Groups() [][]id.Shard {
	out := make([][]id.Shard, len(s.dbs))
	for i, db := range s.dbs {
		out[i] = db.shards
	}
	return out
}

// Ping asks every database for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	for i, db := range s.dbs {
		if err := db.pool.Ping(ctx); err != nil {
			return fmt.Errorf("database %d: %w", i, err)
		}
	}
	return nil
}

func (s *Store) pool(n id.Shard) *pgxpool.Pool { return s.byShard[n].pool }

func (s *Store) userPool(u id.User) (*pgxpool.Pool, id.Shard) {
	n := u.Shard(s.count)
	return s.pool(n), n
}
