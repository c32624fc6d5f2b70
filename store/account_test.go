// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"testing"

	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

// accountDatabase has the tables and partitions of all shards.
var accountDatabase = pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
	s, err := store.Open(ctx, accounttest.Shards, []store.Database{{DSN: dsn, Shards: []id.Shard{0, 1, 2, 3}}})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx)
})

// openAccounts spreads the shards over two databases, so that nothing can lean on there being one.
func openAccounts(t *testing.T) account.Store {
	t.Helper()
	s, err := store.Open(t.Context(), accounttest.Shards, []store.Database{
		{DSN: accountDatabase.New(t), Shards: []id.Shard{0, 3}},
		{DSN: accountDatabase.New(t), Shards: []id.Shard{1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestAccounts_InPostgreSQL(t *testing.T) { accounttest.Run(t, openAccounts) }
