// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

func sql(t testing.TB, dsn, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func group(t testing.TB, n *timelinetest.Node) id.Conversation {
	t.Helper()
	cmd := timelinetest.Group(t, "group", timelinetest.User("alice"), timelinetest.User("bob"))
	n.MustAppend(t, cmd)
	return cmd.ConversationID
}

func message(t testing.TB, c id.Conversation, tempID string) timeline.Command {
	t.Helper()
	return timelinetest.Message(t, c, timelinetest.User("bob"), tempID, "hello")
}

// insist appends until the command is acknowledged; anything but unavailable fails the test.
func insist(t *testing.T, n *timelinetest.Node, cmd timeline.Command) {
	t.Helper()
	timelinetest.Eventually(t, "acknowledged", func() bool {
		_, err := n.Append(t.Context(), cmd)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatalf("got %v", err)
		}
		return err == nil
	})
}

func TestLog_TerminatedBackendsLoseNothing(t *testing.T) {
	s := openLog(t)
	n := timelinetest.Start(t, s)
	c := group(t, n)
	for round := range 3 {
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			sql(t, s.dsns[0], `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		}()
		for i := range 30 {
			insist(t, n, message(t, c, fmt.Sprint(round, "/", i)))
		}
		<-stop
	}
	for range 50 { // The pool lets go of the connections that were ended.
		_ = s.Ping(t.Context())
	}
	if got := len(timelinetest.Verify(t, s, c)); got != 91 {
		t.Errorf("%d events", got)
	}
}

func TestLog_DatabaseThatRefusesConnectionsComesBack(t *testing.T) {
	s := openLog(t)
	n := timelinetest.Start(t, s)
	c := group(t, n)
	other := pgtest.New(t)
	name := databaseOf(t, s.dsns[0])
	sql(t, other, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS false`)
	sql(t, other, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
	for range 3 {
		if _, err := n.Append(t.Context(), message(t, c, "t")); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("got %v, want unavailable", err)
		}
	}
	sql(t, other, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS true`)
	insist(t, n, message(t, c, "t"))
	if got := len(timelinetest.Verify(t, s, c)); got != 2 {
		t.Errorf("%d events", got)
	}
}

func databaseOf(t testing.TB, dsn string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
}

func TestLog_FullDiskIsUnavailableAndLeavesNothingHalfWritten(t *testing.T) {
	s := openLog(t)
	n := timelinetest.Start(t, s)
	c := group(t, n)
	n.MustAppend(t, message(t, c, "before"))
	// The last statement of a batch that adds a member fails, when events and state are written already.
	sql(t, s.dsns[0], `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`)
	sql(t, s.dsns[0], `CREATE TRIGGER full_disk BEFORE INSERT ON user_conversations FOR EACH ROW EXECUTE FUNCTION full_disk()`)
	add := timelinetest.Change(t, c, timelinetest.User("alice"), frame.TypeMemberAdd, "add", change("carol@example.org"))
	if _, err := n.Append(t.Context(), add); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
	if got := len(timelinetest.Verify(t, s, c)); got != 2 {
		t.Errorf("%d events: half a batch was written", got)
	}
	sql(t, s.dsns[0], `DROP TRIGGER full_disk ON user_conversations`)
	insist(t, n, add)
	insist(t, n, message(t, c, "after"))
	timelinetest.VerifyShards(t, s, []id.Conversation{c})
	if events := timelinetest.Verify(t, s, c); len(events) != 4 {
		t.Errorf("%d events", len(events))
	}
}

func TestEvents_AreReadAcrossPartitions(t *testing.T) {
	s, err := store.Open(t.Context(), 1, []store.Database{{DSN: pgtest.New(t), Shards: []id.Shard{0}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetPartitionRows(50)
	for range 2 { // The second time nothing is to do.
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	n := timelinetest.Start(t, s, func(o *timeline.Options) { o.ColdWindow = 20 })
	c := group(t, n)
	for i := range 230 {
		for range 2 { // Also the second one finds room made.
			if err := s.EnsurePartitions(t.Context(), 0, int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		n.MustAppend(t, message(t, c, fmt.Sprint(i)))
	}
	n.Kill()
	n = timelinetest.Start(t, s, func(o *timeline.Options) { o.ColdWindow = 20 })
	if res := n.MustAppend(t, message(t, c, "100")); !res.Duplicate || res.Seq != 101 {
		t.Errorf("a hot tempId in an old partition: %+v", res)
	}
	timelinetest.Verify(t, s, c)
	events, err := s.Events(t.Context(), 0, 1, timeline.Range{From: 40, To: 160, Limit: 70, Newest: true})
	if err != nil || len(events) != 70 || events[0].Seq != 91 || events[69].Seq != 160 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// TestEnsurePartitions_WaitsForNoReader holds a read of the events open, as a backup does for hours.
func TestEnsurePartitions_WaitsForNoReader(t *testing.T) {
	s := openLog(t)
	conn, err := pgx.Connect(t.Context(), s.dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `BEGIN; SELECT count(*) FROM events; SELECT count(*) FROM events_s1`); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsurePartitions(t.Context(), 1, 1<<22); err != nil {
		t.Fatal(err)
	}
}

func TestMigrate_NumberOfShardsIsFixed(t *testing.T) {
	s := openLog(t)
	other, err := store.Open(t.Context(), 8, []store.Database{
		{DSN: s.dsns[0], Shards: []id.Shard{0, 1, 2, 3}}, {DSN: pgtest.New(t), Shards: []id.Shard{4, 5, 6, 7}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "fixed at creation") {
		t.Errorf("got %v", err)
	}
}

func TestOpen_EveryShardIsHeldOnce(t *testing.T) {
	for name, dbs := range map[string][]store.Database{
		"missing": {{DSN: "host=/nowhere", Shards: []id.Shard{0}}},
		"twice":   {{DSN: "host=/nowhere", Shards: []id.Shard{0, 1, 1}}},
		"beyond":  {{DSN: "host=/nowhere", Shards: []id.Shard{0, 1, 2}}},
		"dsn":     {{DSN: "postgres://u:secret@[", Shards: []id.Shard{0, 1}}},
	} {
		s, err := store.Open(t.Context(), 2, dbs)
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is told: %v", name, err)
		}
	}
}

func change(users ...string) frame.Change { return frame.Change{UserIDs: users} }
