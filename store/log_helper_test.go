// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"testing"

	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

const testShards = 4

func allShards(count int) []id.Shard {
	out := make([]id.Shard, count)
	for i := range out {
		out[i] = id.Shard(i)
	}
	return out
}

var logTemplate = pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
	s, err := store.Open(ctx, testShards, []store.Database{{DSN: dsn, Shards: allShards(testShards)}})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx)
})

// openLog opens a store on one fresh database.
func openLog(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), testShards, []store.Database{{DSN: logTemplate.New(t), Shards: allShards(testShards)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
