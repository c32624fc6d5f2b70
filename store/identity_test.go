// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

func open(t *testing.T, databases ...store.Database) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), 4, databases)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func refused(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want an error with %q", err, part)
	}
}

func TestMigrate_DatabasesThatAreMixedUpAreRefused(t *testing.T) {
	first, second := pgtest.New(t), pgtest.New(t)
	low, high := []id.Shard{0, 1}, []id.Shard{2, 3}
	if err := open(t, store.Database{DSN: first, Shards: low}, store.Database{DSN: second, Shards: high}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(t, open(t, store.Database{DSN: first, Shards: high}, store.Database{DSN: second, Shards: low}).Migrate(t.Context()), "mixed up")
	refused(t, open(t, store.Database{DSN: first, Shards: []id.Shard{0, 1, 2, 3}}).Migrate(t.Context()), "does not move shards")
	if err := open(t, store.Database{DSN: first, Shards: low}, store.Database{DSN: second, Shards: high}).Migrate(t.Context()); err != nil {
		t.Errorf("as they were made: %v", err)
	}
}

func TestClaim_AnotherHomeserverIsRefused(t *testing.T) {
	s := open(t, store.Database{DSN: pgtest.New(t), Shards: []id.Shard{0, 1, 2, 3}})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mine := store.Identity{Server: "example.org", PublicKey: []byte("key")}
	for range 2 {
		if err := s.Claim(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, s.Claim(t.Context(), store.Identity{Server: "example.net", PublicKey: []byte("key")}), "serverName cannot be changed")
	refused(t, s.Claim(t.Context(), store.Identity{Server: "example.org", PublicKey: []byte("other")}), "signing.key")
}

func TestMigrate_NoIndexBeginsWithTheShard(t *testing.T) {
	dsn := pgtest.New(t)
	if err := open(t, store.Database{DSN: dsn, Shards: []id.Shard{0, 1, 2, 3}}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `
SELECT i.indexrelid::regclass::text, a.attname FROM pg_index i
  JOIN pg_class c ON c.oid = i.indrelid AND c.relispartition
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var index, first string
	_, err = pgx.ForEachRow(rows, []any{&index, &first}, func() error {
		if n++; first == "shard" {
			t.Errorf("%s begins with the shard: a query by the rest reads all of it", index)
		}
		return nil
	})
	if err != nil || n < 40 {
		t.Errorf("%d indexes, %v", n, err)
	}
}
