// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/id"
	"parley.chat/server/privatepg"
	"parley.chat/store"
)

// BenchmarkAppend appends messages of 64 concurrent senders to 200 groups of two, on a PostgreSQL that syncs each commit. It
// tells messages a CPU second (of this process and of the server's processes), messages a commit, and bytes a message on disk.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{64, 512} {
		b.Run(fmt.Sprint("senders=", senders), func(b *testing.B) { benchmarkAppend(b, senders) })
	}
}

func benchmarkAppend(b *testing.B, senders int) {
	dir, s, dsn := openDurable(b)
	n := timelinetest.Start(b, s)
	convs := make([]id.Conversation, 200)
	for i := range convs {
		cmd := timelinetest.Group(b, fmt.Sprint("group ", i), timelinetest.User("alice"), timelinetest.User("bob"))
		n.MustAppend(b, cmd)
		convs[i] = cmd.ConversationID
	}
	cmds := make([]timeline.Command, len(convs))
	for i, c := range convs {
		cmds[i] = timelinetest.Message(b, c, timelinetest.User("bob"), "", "a message of usual length, about sixty bytes of it text, no more")
	}
	before, cpu := n.Wire.Counts(), usedCPU(b, dir)
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				cmd := cmds[int(i)%len(cmds)]
				cmd.TempID = "bench-temp-id-" + strconv.FormatInt(i, 10)
				if _, err := n.Append(b.Context(), cmd); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	spent, after := usedCPU(b, dir)-cpu, n.Wire.Counts()
	b.ReportMetric(float64(b.N)/spent.Seconds(), "msg/cpu-s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(after.Events-before.Events)/float64(after.Batches-before.Batches), "msg/commit")
	b.ReportMetric(bytesPerEvent(b, dsn), "B/msg")
}

// openDurable starts a PostgreSQL with the settings of an installation.
func openDurable(b *testing.B) (string, *store.Store, string) {
	b.Helper()
	parent, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o711); err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(parent, "postgres")
	cluster, err := privatepg.Open(b.Context(), privatepg.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cluster.Close() })
	s, err := store.Open(context.Background(), 16, []store.Database{{DSN: cluster.DSN(), Shards: shardsUpTo(16)}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return dir, s, cluster.DSN()
}

func shardsUpTo(n int) (out []id.Shard) {
	for i := range n {
		out = append(out, id.Shard(i))
	}
	return out
}

// usedCPU is the time this process and the processes of the server in dir have used.
func usedCPU(b *testing.B, dir string) time.Duration {
	b.Helper()
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		b.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	postmaster, _, _ := strings.Cut(string(raw), "\n")
	ticks := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // It ended.
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(rest)
		count := 2 // utime, stime
		switch postmaster {
		case filepath.Base(filepath.Dir(path)):
			count = 4 // and those of children that ended
		case f[1]:
		default:
			continue
		}
		for _, field := range f[11 : 11+count] {
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(self.Utime.Nano()+self.Stime.Nano()) + time.Duration(ticks)*10*time.Millisecond
}

// bytesPerEvent is what events and their indexes take on disk.
func bytesPerEvent(b *testing.B, dsn string) (out float64) {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(context.Background(), `
		SELECT (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind = 'r' AND c.relname ~ '^events_s[0-9]+_[0-9]+$')::float8
		       / (SELECT count(*) FROM events)`).Scan(&out)
	if err != nil {
		b.Fatal(err)
	}
	return out
}
