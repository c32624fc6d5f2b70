// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"strings"
	"testing"

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
