// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"slices"
	"testing"

	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

const testShards = 4

// logTemplate has the shards of a whole deployment; in tests of several databases each uses its own part.
var logTemplate = pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
	s, err := store.Open(ctx, testShards, []store.Database{{DSN: dsn, Shards: []id.Shard{0, 1, 2, 3}}})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx)
})

// testLog is a store under timelinetest.
type testLog struct {
	*store.Store
	dsns []string
}

// IndexOf reads the index of a user.
func (l *testLog) IndexOf(t testing.TB, u id.User) (out []timeline.IndexRow) {
	t.Helper()
	list, err := l.UserIndex(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		out = append(out, timeline.IndexRow{User: u, Conversation: m.ID, Membership: m.Membership, ChangedPos: m.ChangedPos, ChangedAt: m.ChangedAt})
	}
	return out
}

func openGroups(t testing.TB, groups ...[]id.Shard) timeline.Store {
	t.Helper()
	l := &testLog{}
	var dbs []store.Database
	for _, shards := range groups {
		dsn := logTemplate.New(t)
		l.dsns = append(l.dsns, dsn)
		dbs = append(dbs, store.Database{DSN: dsn, Shards: shards})
	}
	s, err := store.Open(context.Background(), len(slices.Concat(groups...)), dbs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l.Store = s
	return l
}

// openLog opens a store on one fresh database.
func openLog(t testing.TB) *testLog {
	t.Helper()
	return openGroups(t, []id.Shard{0, 1, 2, 3}).(*testLog)
}
