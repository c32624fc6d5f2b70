// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"maps"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// partition is the end of the name of a table that is part of another one.
var partition = regexp.MustCompile(`(_s\d+(_\d+)?)$`)

// Touched tells for each table how many rows were read, written or deleted so far, in the first database. PostgreSQL counts when
// a connection ends: stop the server before.
func (s *Server) Touched() map[string]int64 {
	s.t.Helper()
	out := map[string]int64{}
	s.direct(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables`)
		if err != nil {
			return err
		}
		var table string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&table, &n}, func() error {
			out[partition.ReplaceAllString(table, "")] += n
			return nil
		})
		return err
	})
	return out
}

// Since is what was touched after a count before; tables that were not are left out.
func Since(now, before map[string]int64) map[string]int64 {
	out := maps.Clone(now)
	for table, n := range before {
		if out[table] -= n; out[table] == 0 {
			delete(out, table)
		}
	}
	return out
}

func (s *Server) direct(do func(context.Context, *pgx.Conn) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsns[0])
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := do(ctx, conn); err != nil {
		s.t.Fatal(err)
	}
}
