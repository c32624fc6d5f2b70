// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// openPair is a hub and a server that follows its one conversation, of alice and bob, with messages of bob.
func openPair(t *testing.T, messages int) (hub, replica *testLog, node *timelinetest.Node, c id.Conversation) {
	t.Helper()
	hub, replica = openLog(t), openLog(t)
	n := timelinetest.Start(t, hub, timelinetest.As(timelinetest.Here))
	create := timelinetest.Group(t, "pair", timelinetest.User("alice"), timelinetest.Far("bob"))
	n.MustAppend(t, create)
	for i := range messages {
		n.MustAppend(t, timelinetest.BySigned(timelinetest.Message(t, create.ConversationID, timelinetest.Far("bob"), fmt.Sprint("t", i), "hello")))
	}
	return hub, replica, timelinetest.Start(t, replica, timelinetest.As(timelinetest.There)), create.ConversationID
}

func TestRecords_AreBoundedAndNameWhatCameBefore(t *testing.T) {
	hub, _, _, c := openPair(t, 9)
	n := c.Shard(testShards)
	all := timelinetest.Records(t, hub, c, 0, id.MaxSeq)
	if len(all) != 10 {
		t.Fatalf("%d entries", len(all))
	}
	one := len(all[1].Content) + 900
	for _, q := range []struct {
		from, to     int64
		limit, bytes int
		first, count int64
	}{
		{0, 100, 50, 1 << 20, 0, 10},
		{3, 5, 50, 1 << 20, 3, 3},
		{3, 100, 2, 1 << 20, 3, 2},
		{3, 100, 50, 1, 3, 1},
		{0, 100, 50, 1, 0, 1},
		{1, 100, 50, 3 * one, 1, 3},
		{1, 100, 50, 3*one - 1, 1, 2},
		{10, 100, 50, 1 << 20, 0, 0},
	} {
		got, err := hub.Records(t.Context(), n, all[0].Conv, q.from, q.to, q.limit, q.bytes)
		if err != nil || int64(len(got)) != q.count || q.count > 0 && got[0].Seq != q.first {
			t.Errorf("%+v: %d entries, %v", q, len(got), err)
			continue
		}
		for i, e := range got {
			want := all[q.first+int64(i)]
			if e.Hash != want.Hash || e.Prev != want.Prev || e.Seq > 0 && e.Prev != all[e.Seq-1].Hash || e.ConversationID != c {
				t.Errorf("%+v: entry %d is %+v", q, e.Seq, e)
			}
		}
	}
}

func TestFollow_SettlesTheSubmissionsOfOwnUsers(t *testing.T) {
	hub, replica, node, c := openPair(t, 2)
	all := timelinetest.Records(t, hub, c, 0, id.MaxSeq)
	node.MustBegin(t, all, 0)
	conn, err := pgx.Connect(t.Context(), replica.dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	v, err := node.View(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tempID := range []string{"t0", "t1", "t2"} {
		_, err := conn.Exec(t.Context(), `INSERT INTO submissions (shard, conv, dedup, sender, device, temp_id, type, author_time, salt, content)
			VALUES ($1, $2, $3, 'bob@b.example', $4, $5, 'message', 1, '\x00', '\x00')`,
			v.Shard, v.Conv, timeline.DedupKey(timelinetest.Device, tempID), string(timelinetest.Device), tempID)
		if err != nil {
			t.Fatal(err)
		}
	}
	for head, want := range []string{"t0 t1 t2", "t1 t2", "t2"} {
		node.MustFollow(t, all[:head+1])
		var left string
		if err := conn.QueryRow(t.Context(), `SELECT string_agg(temp_id, ' ' ORDER BY n) FROM submissions`).Scan(&left); err != nil || left != want {
			t.Errorf("with head %d %q wait, want %q, %v", head, left, want, err)
		}
	}
}

// TestIndexStep_InAReplicaEndsAtItsBase has words indexed in a replica that began in the middle of a searched conversation.
func TestIndexStep_InAReplicaEndsAtItsBase(t *testing.T) {
	hub, replica := openLog(t), openLog(t)
	n, alice := timelinetest.Start(t, hub, timelinetest.As(timelinetest.Here)), timelinetest.User("alice")
	create := timelinetest.Group(t, "searched", alice)
	c := create.ConversationID
	n.MustAppend(t, create)
	n.MustAppend(t, timelinetest.Change(t, c, alice, frame.TypeSettings, "on", frame.Change{ServerSearch: new(true)}))
	for i := range 700 {
		n.MustAppend(t, timelinetest.Message(t, c, alice, fmt.Sprint("t", i), "before"))
	}
	base := n.MustAppend(t, timelinetest.Change(t, c, alice, frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{string(timelinetest.Far("bob"))}})).Seq
	for i := range 3 {
		n.MustAppend(t, timelinetest.Message(t, c, alice, fmt.Sprint("u", i), "after"))
	}
	all := timelinetest.Records(t, hub, c, 0, id.MaxSeq)
	node := timelinetest.Start(t, replica, timelinetest.As(timelinetest.There))
	node.MustBegin(t, all, base)
	node.MustFollow(t, all[base:])
	v, err := node.View(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for steps := 1; ; steps++ {
		more, err := replica.IndexStep(t.Context(), v.Shard, v.Conv)
		if err != nil || steps > 3 {
			t.Fatalf("step %d: %v", steps, err)
		}
		if !more {
			break
		}
	}
	if list, err := replica.Enrolled(t.Context(), v.Shard); err != nil || len(list) != 1 || list[0].Busy {
		t.Errorf("enrolled: %+v, %v", list, err)
	}
	conn, err := pgx.Connect(t.Context(), replica.dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var words int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM message_search`).Scan(&words); err != nil || words != 3 {
		t.Errorf("%d messages are indexed, %v", words, err)
	}
}

// BenchmarkFollow appends messages of 20 conversations to a replica on a PostgreSQL that syncs each commit, 50 in a call, as a
// transaction of another server brings them, without the verification of signatures.
func BenchmarkFollow(b *testing.B) {
	const convs, part = 20, 50
	dir, s, _ := openDurable(b)
	hub := timelinetest.Start(b, timelinetest.NewMem([]id.Shard{0, 1, 2, 3}), timelinetest.As(timelinetest.Here))
	node := timelinetest.Start(b, s, timelinetest.As(timelinetest.There))
	logs := make([][]timeline.Foreign, convs)
	for i := range logs {
		create := timelinetest.Group(b, fmt.Sprint("group ", i), timelinetest.User("alice"), timelinetest.Far("bob"))
		hub.MustAppend(b, create)
		var wg sync.WaitGroup
		for k := range b.N/convs + 1 {
			wg.Add(1)
			cmd := timelinetest.Message(b, create.ConversationID, timelinetest.User("alice"), fmt.Sprint(k), "a message of usual length, about sixty bytes of it text, no more")
			for hub.Submit(b.Context(), cmd, func(timeline.Result, error) { wg.Done() }) != nil {
				time.Sleep(time.Millisecond) // The queue is full.
			}
		}
		wg.Wait()
		logs[i] = timelinetest.Records(b, hub.Wire, create.ConversationID, 0, id.MaxSeq)
		node.MustBegin(b, logs[i], 0)
	}
	before, cpu := node.Wire.Counts(), usedCPU(b, dir)
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, log := range logs {
		wg.Go(func() {
			for rest := range slices.Chunk(log[1:], part) {
				node.MustFollow(b, rest)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	spent, after := usedCPU(b, dir)-cpu, node.Wire.Counts()
	b.ReportMetric(float64(b.N)/spent.Seconds(), "msg/cpu-s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(after.Events-before.Events)/float64(after.Batches-before.Batches), "msg/commit")
}
