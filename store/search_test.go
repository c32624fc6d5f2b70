// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const (
	bulkShard = id.Shard(1)
	bulkConvs = 40
	bulkEach  = 5000 // messages of a conversation: 200 000 in all
)

// bulkID is the id of the n-th bulk conversation; its number is n+1.
func bulkID(n int) id.Conversation {
	var hash [32]byte
	hash[0], hash[1], hash[7] = 1, byte(n), byte(bulkShard)
	return id.NewConversation(hash)
}

// bulk fills a shard with 200 000 messages in 40 conversations that move in turn, one a second. Every ninetieth is a picture,
// every thousandth of bob, and every seven hundredth says "needle"; all say "hay".
func bulk(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	exec := func(q string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(context.Background(), q, args...); err != nil {
			t.Fatal(err)
		}
	}
	var ids [][]byte
	for n := range bulkConvs {
		raw := bulkID(n).Bytes()
		ids = append(ids, raw[:])
	}
	exec(`INSERT INTO conversations (shard, conv, id, created, created_at, state_seq, head_seq, head_pos, head_count, head_time, head_hash)
		SELECT $1::int, n, id, '', 0, 0, $3::bigint - 1, n, 0, 0, '' FROM unnest($2::bytea[]) WITH ORDINALITY AS b(id, n)`, int32(bulkShard), ids, bulkEach)
	exec(`INSERT INTO events (shard, pos, conv, seq, count, hub_time, author_time, dedup, hot, message_id, type, sender, device, temp_id, salt, hash, content)
		SELECT $1::int, i * $2::int + n, n, i, i, 1000 * (i * $2::int + n), 0, 0, false, gen_random_uuid(), 'message',
		       CASE WHEN (i + n) % 1000 = 0 THEN 'bob@example.org' ELSE 'alice@example.org' END, 'd', 't', 's', 'h',
		       convert_to('{"content":"hay ' || CASE WHEN (i + n) % 700 = 0 THEN 'needle ' ELSE '' END || i || '","contentType":"' ||
		                  CASE WHEN (i + n) % 90 = 0 THEN 'image' ELSE 'text' END || '"}', 'UTF8')
		  FROM generate_series(0, $3::int - 1) i, generate_series(1, $2::int) n ORDER BY 2`, int32(bulkShard), bulkConvs, bulkEach)
	exec(`ANALYZE events, conversations`)
	return conn
}

// indexAll opts a conversation in and indexes all of it.
func indexAll(t testing.TB, l *testLog, conn *pgx.Conn, conv int64) (steps int) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), `INSERT INTO search_progress VALUES ($1, $2, true, $3, $3)`, int32(bulkShard), conv, bulkEach); err != nil {
		t.Fatal(err)
	}
	for more := true; more; steps++ {
		var err error
		if more, err = l.IndexStep(t.Context(), bulkShard, conv); err != nil {
			t.Fatal(err)
		}
	}
	return steps
}

func count(t testing.TB, conn *pgx.Conn, q string, args ...any) (n int64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), q, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// plan explains a query, and tells the rows its scans touched and whether one read a whole table.
func plan(t testing.TB, conn *pgx.Conn, q string, args ...any) (text string, rows int, whole bool) {
	t.Helper()
	var raw []byte
	if err := conn.QueryRow(t.Context(), `EXPLAIN (ANALYZE, FORMAT JSON) `+q, args...).Scan(&raw); err != nil {
		t.Fatal(err)
	}
	var out []struct{ Plan map[string]any }
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	var walk func(map[string]any)
	walk = func(n map[string]any) {
		kind, _ := n["Node Type"].(string)
		if strings.HasSuffix(kind, "Scan") && kind != "Bitmap Index Scan" && kind != "CTE Scan" && kind != "WorkTable Scan" {
			loops, _ := n["Actual Loops"].(float64)
			got, _ := n["Actual Rows"].(float64)
			filtered, _ := n["Rows Removed by Filter"].(float64)
			again, _ := n["Rows Removed by Index Recheck"].(float64)
			rows += int(loops * (got + filtered + again))
			whole = whole || kind == "Seq Scan" && loops > 0 && n["Relation Name"] != "conversations_s1" // It fits a page.
		}
		if list, ok := n["Plans"].([]any); ok {
			for _, c := range list {
				walk(c.(map[string]any))
			}
		}
	}
	walk(out[0].Plan)
	return string(raw), rows, whole
}

func TestSearch_AmongManyMessages(t *testing.T) {
	l := openLog(t)
	conn := bulk(t, l.dsns[0])
	t.Run("ReadsNoWholeTable", func(t *testing.T) { readsNoWholeTable(t, l, conn) })
	t.Run("FindsTheSameByEveryWay", func(t *testing.T) { findsTheSame(t, l, conn) })
	t.Run("IndexGoesOnAfterACrashAndLeavesNothingAfterTheEnd", func(t *testing.T) { indexGoesOn(t, l, conn) })
}

func readsNoWholeTable(t *testing.T, l *testLog, conn *pgx.Conn) {
	steps := indexAll(t, l, conn, 7)
	if want := bulkEach/200 + 1; steps > want+1 {
		t.Errorf("indexing %d messages took %d steps, want about %d", bulkEach, steps, want)
	}
	if _, err := conn.Exec(t.Context(), `ANALYZE message_search, search_progress`); err != nil {
		t.Fatal(err)
	}
	raw := bulkID(6).Bytes()
	text, err := search.ParseText("hay needle")
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]struct {
		q     string
		args  []any
		limit int
	}{
		"enter in the middle": {l.EnterSQL(bulkShard), []any{raw[:], "me@example.org", int64(90_000_000), int64(1 << 60)}, 60},
		"scan a stretch":      {l.ScanSQL(bulkShard), []any{7, 3000, 4023, 0, int64(1 << 60), "bob@example.org", []byte{}, 101}, 1024},
		"scan for a kind":     {l.ScanSQL(bulkShard), []any{7, 3000, 4023, 0, int64(1 << 60), "", []byte(`"contentType":"image"`), 101}, 1024},
		"look words up":       {l.LookUpSQL(bulkShard), []any{7, 0, 4095, 0, int64(1 << 60), "", "", 101, text.In(7, 0)}, 2 * search.Block},
	} {
		shown, rows, whole := plan(t, conn, one.q, one.args...)
		if whole || rows > one.limit {
			t.Errorf("%s touches %d rows, want at most %d, no whole table:\n%s", name, rows, one.limit, shown)
		}
	}
}

func findsTheSame(t *testing.T, l *testLog, conn *pgx.Conn) {
	ctx := t.Context()
	entered, err := l.Enter(ctx, bulkShard, "me@example.org", []search.Entrance{
		{ID: bulkID(6), AtMost: 90_007_999}, {ID: bulkID(6), AtMost: 1 << 60}, {ID: bulkID(6), AtMost: 7}, {ID: id.NewConversation([32]byte{9}), AtMost: 1 << 60},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []search.Entered{{Conv: 7, Seq: 2250, Time: 90_007_000}, {Conv: 7, Seq: 4999, Time: 199_967_000}, {Conv: 7, Seq: -1}, {Seq: -1}} {
		if i == 2 {
			entered[i].Time = 0
		}
		if entered[i] != want {
			t.Errorf("entrance %d is %+v, want %+v", i, entered[i], want)
		}
	}
	text, err := search.ParseText("needle")
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]struct {
		f     search.Filter
		where string
	}{
		"sender":    {search.Filter{Sender: "bob@example.org", To: 1 << 60}, `sender = 'bob@example.org'`},
		"kind":      {search.Filter{ContentType: "image", To: 1 << 60}, `position('image' IN convert_from(content, 'UTF8')) > 0`},
		"time":      {search.Filter{From: 20_000_000, To: 22_000_000}, `hub_time >= 20000000 AND hub_time < 22000000`},
		"words":     {search.Filter{Text: text, To: 1 << 60}, `position('needle' IN convert_from(content, 'UTF8')) > 0`},
		"all of it": {search.Filter{Text: text, From: 10_000_000, To: 150_000_000, ContentType: "text", Sender: "alice@example.org"}, `position('needle' IN convert_from(content, 'UTF8')) > 0 AND position('"text"' IN convert_from(content, 'UTF8')) > 0 AND hub_time >= 10000000 AND hub_time < 150000000 AND sender = 'alice@example.org'`},
	} {
		found, err := l.Scan(ctx, bulkShard, []search.Stretch{{Conv: 7, From: 0, To: 4095}, {Conv: 7, From: 4096, To: 4999}}, one.f, 5000)
		if err != nil {
			t.Fatal(err)
		}
		got := int64(len(found[0].Matches) + len(found[1].Matches))
		if want := count(t, conn, `SELECT count(*) FROM events WHERE conv = 7 AND `+one.where); got != want || want == 0 {
			t.Errorf("%s finds %d, want %d", name, got, want)
		}
	}
}

func indexGoesOn(t *testing.T, l *testLog, conn *pgx.Conn) {
	ctx := t.Context()
	if _, err := conn.Exec(ctx, `INSERT INTO search_progress VALUES (1, 8, true, 4000, 4000)`); err != nil {
		t.Fatal(err)
	}
	for range 7 { // Then the node dies; another takes over with nothing but the store.
		if _, err := l.IndexStep(ctx, bulkShard, 8); err != nil {
			t.Fatal(err)
		}
	}
	list, err := l.Enrolled(ctx, bulkShard)
	if err != nil || len(list) != 2 {
		t.Fatalf("enrolled are %+v, %v", list, err)
	}
	for _, e := range list {
		if e.Busy != (e.Conv == 8) {
			t.Errorf("enrolled: %+v", e)
		}
	}
	for more := true; more; {
		if more, err = l.IndexStep(ctx, bulkShard, 8); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, conn, `SELECT count(*) FROM message_search WHERE conv = 8`); n != bulkEach {
		t.Errorf("%d of %d messages are indexed", n, bulkEach)
	}
	if _, err := conn.Exec(ctx, `UPDATE search_progress SET wanted = false WHERE conv = 8`); err != nil {
		t.Fatal(err)
	}
	whole, err := l.Searchable(ctx, bulkShard, []id.Conversation{bulkID(6), bulkID(7), bulkID(9)})
	if err != nil || len(whole) != 1 || !whole[bulkID(6)] {
		t.Errorf("searchable are %v, %v", whole, err)
	}
	for more := true; more; {
		if more, err = l.IndexStep(ctx, bulkShard, 8); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, conn, `SELECT count(*) FROM message_search WHERE conv = 8`) + count(t, conn, `SELECT count(*) FROM search_progress WHERE conv = 8`); n != 0 {
		t.Errorf("%d rows stay behind", n)
	}
	if n := count(t, conn, `SELECT count(*) FROM message_search WHERE conv = 7`); n != bulkEach {
		t.Errorf("another conversation lost %d of its rows", bulkEach-n)
	}
}

// Indexer and deletion race for each message; whoever is first, no word of a deleted one stays.
func TestIndex_ALateStepNeverBringsBackWhatWasErased(t *testing.T) {
	l := openLog(t)
	n := timelinetest.Start(t, l)
	alice := timelinetest.User("alice")
	group := timelinetest.Group(t, "racing", alice, timelinetest.User("bob"))
	n.MustAppend(t, group)
	conv := group.ConversationID
	v, err := n.View(t.Context(), conv)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), l.dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `INSERT INTO search_progress VALUES ($1, $2, true, 1, 1)`, int32(v.Shard), v.Conv); err != nil {
		t.Fatal(err)
	}
	const rounds = 60
	for i := range rounds {
		res := n.MustAppend(t, timelinetest.Message(t, conv, alice, fmt.Sprint("m", i), fmt.Sprint("secret ", i)))
		var wg sync.WaitGroup
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = l.IndexStep(t.Context(), v.Shard, v.Conv); err != nil {
					t.Error(err)
					return
				}
			}
		})
		if i%3 > 0 {
			wg.Go(func() {
				if _, err := n.Append(t.Context(), deletion(t, conv, alice, res.MessageID)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if stale := count(t, conn, `SELECT count(*) FROM message_search m JOIN events e USING (shard, conv, seq) WHERE e.content IS NULL`); stale != 0 {
		t.Errorf("%d erased messages are in the index", stale)
	}
	if kept := count(t, conn, `SELECT count(*) FROM message_search`); kept != rounds/3 {
		t.Errorf("%d messages are indexed, want the %d that were not deleted", kept, rounds/3)
	}
}

func deletion(t testing.TB, c id.Conversation, by id.User, m id.Message) timeline.Command {
	content, err := event.Relation{TargetMessageID: m.String()}.Canonical()
	if err != nil {
		t.Error(err)
	}
	return timeline.Command{
		ConversationID: c, Proposal: conversation.Proposal{Type: frame.TypeDelete, Sender: by},
		Device: timelinetest.Device, TempID: "delete " + m.String(), Content: content, About: m,
	}
}
