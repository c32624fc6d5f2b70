// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

// The logical shards of a server with one database, few because a copy of each takes its time, and of one with two.
const (
	few  = 4
	many = 16
)

// Migrated databases to copy: one with all of few shards, and two with half of many each.
var (
	whole = template(few, 0, few-1)
	lower = template(many, 0, many/2-1)
	upper = template(many, many/2, many-1)
)

// nowhere is a database that does not answer.
const nowhere = "host=/nonexistent dbname=nowhere"

// template prepares what Migrate leaves in a database that holds these shards and no other. The store needs a place for all
// shards; the place of the others does not answer, and Migrate fails there, after it did its work here.
func template(shards, first, last int) *pgtest.Template {
	return pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
		var own, others []id.Shard
		for n := range shards {
			if n < first || n > last {
				others = append(others, id.Shard(n))
			} else {
				own = append(own, id.Shard(n))
			}
		}
		list := []store.Database{{DSN: dsn, Shards: own}}
		if len(others) > 0 {
			list = append(list, store.Database{DSN: nowhere, Shards: others})
		}
		st, err := store.Open(ctx, shards, list)
		if err != nil {
			return err
		}
		defer st.Close()
		if err := st.Migrate(ctx); err != nil && !strings.HasPrefix(err.Error(), "migrate database 1:") {
			return err
		}
		return nil
	})
}

func (s *Server) useDatabases(n int) {
	s.t.Helper()
	if n == 1 {
		s.cfg.Database = config.Database{Shards: few}
		s.addDatabase(whole.New(s.t), 0, few-1)
		return
	}
	s.cfg.Database = config.Database{Shards: many}
	s.addDatabase(lower.New(s.t), 0, many/2-1)
	s.addDatabase(upper.New(s.t), many/2, many-1)
}

func (s *Server) addDatabase(dsn string, first, last int) {
	s.dsns = append(s.dsns, dsn)
	s.cfg.Database.List = append(s.cfg.Database.List, config.ShardDatabase{
		DSN: config.Secret(dsn), Shards: config.Range{First: first, Last: last},
	})
}

// UseDatabase makes the server keep everything in the database at dsn.
func UseDatabase(dsn string) Option {
	return func(s *Server) {
		s.cfg.Database = config.Database{Shards: few}
		s.addDatabase(dsn, 0, few-1)
	}
}

var databaseName = regexp.MustCompile(`dbname=(\S+)`)

// StopDatabase takes the databases away: every connection is cut and none is let in.
func (s *Server) StopDatabase() {
	s.t.Helper()
	for _, dsn := range s.dsns {
		name := databaseName.FindStringSubmatch(dsn)[1]
		s.beside(dsn, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	}
}

// StartDatabase gives them back.
func (s *Server) StartDatabase() {
	s.t.Helper()
	for _, dsn := range s.dsns {
		s.beside(dsn, "ALTER DATABASE "+databaseName.FindStringSubmatch(dsn)[1]+" ALLOW_CONNECTIONS true")
	}
}

// beside runs statements in another database of the same cluster.
func (s *Server) beside(dsn string, statements ...string) {
	s.t.Helper()
	if err := run(databaseName.ReplaceAllString(dsn, "dbname=postgres"), statements...); err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
}

// Exec runs statements in every database of the server.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	for _, dsn := range s.dsns {
		if err := run(dsn, statements...); err != nil {
			s.t.Fatalf("testenv: %v", err)
		}
	}
}

func run(dsn string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, q := range statements {
		if _, err := conn.Exec(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}
