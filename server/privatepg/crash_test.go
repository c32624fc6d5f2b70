// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// run runs the cluster in the background; the returned function ends it and waits.
func run(t *testing.T, c *Cluster) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	end = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		done <- nil
	}
	t.Cleanup(end)
	return end
}

func answering(t *testing.T, dsn string) func() bool {
	return func() bool {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	}
}

func TestRun_StartsAKilledPostmasterAgain(t *testing.T) {
	t.Parallel()
	c := open(t, newFolder(t))
	run(t, c)
	execute(t, c.DSN(), "CREATE TABLE kept (n int)")
	for i := range 3 {
		execute(t, c.DSN(), fmt.Sprintf("INSERT INTO kept VALUES (%d)", i))
		pid := c.Pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a new postmaster", func() bool { now := c.Pid(); return now != 0 && now != pid })
		eventually(t, "an answer", answering(t, c.DSN()))
	}
	if got := ask(t, c.DSN(), "SELECT count(*)::text FROM kept"); got != "3" {
		t.Errorf("%s rows of 3 are left", got)
	}
}

func TestRun_SurvivesABackendThatIsBusyWhenThePostmasterDies(t *testing.T) {
	t.Parallel()
	c := open(t, newFolder(t))
	run(t, c)
	busy := connect(t, c.DSN())
	started := make(chan struct{})
	go func() {
		close(started)
		// A loop that does not look for the death of the postmaster.
		_, _ = busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 100000000000)")
	}()
	<-started
	eventually(t, "the busy statement", func() bool {
		return ask(t, c.DSN(), "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1%'") == "2"
	})
	pid := c.Pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer", func() bool { now := c.Pid(); return now != 0 && now != pid && answering(t, c.DSN())() })
}

func TestRun_MakesACleanShutdownAtTheEnd(t *testing.T) {
	c := open(t, newFolder(t))
	end := run(t, c)
	pid := c.Pid()
	end()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d still lives", pid)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("postmaster.pid: %v", err)
	}
	if log := readLog(t, c.dir); !strings.Contains(log, "database system is shut down") {
		t.Errorf("not a clean shutdown:\n%s", log)
	}
	if c.Pid() != 0 {
		t.Errorf("Pid is %d", c.Pid())
	}
}

func TestRun_TwiceIsRefused(t *testing.T) {
	c := open(t, newFolder(t))
	run(t, c)
	eventually(t, "the first Run", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.running != nil })
	if err := c.Run(t.Context()); err == nil {
		t.Error("the second Run was taken")
	}
}

func TestClose_EndsRun(t *testing.T) {
	c := open(t, newFolder(t))
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	eventually(t, "Run", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.running != nil })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(time.Second): // Whoever called Run needs a moment to say so.
		t.Error("Close returned and Run goes on")
	}
}

func TestOpen_AfterTheServerProcessWasKilled(t *testing.T) {
	dir := newFolder(t)
	for i := range 3 {
		p := startServer(t, dir, nil)
		execute(t, p.dsn, "CREATE TABLE IF NOT EXISTS kept (n int)", fmt.Sprintf("INSERT INTO kept VALUES (%d)", i))
		p.kill()
		// At once: the postmaster is only now stopping.
		c := open(t, dir)
		if got := ask(t, c.DSN(), "SELECT count(*)::text FROM kept"); got != fmt.Sprint(i+1) {
			t.Errorf("%s rows of %d are left", got, i+1)
		}
		_ = c.Close()
	}
}

func TestOpen_AfterServerAndPostmasterWereKilledTogether(t *testing.T) {
	dir := newFolder(t)
	for i := range 3 {
		p := startServer(t, dir, nil)
		execute(t, p.dsn, "CREATE TABLE IF NOT EXISTS kept (n int)", fmt.Sprintf("INSERT INTO kept VALUES (%d)", i))
		// Stopped first, so that the supervisor cannot start another one in between.
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.kill()
		c := open(t, dir)
		if got := ask(t, c.DSN(), "SELECT count(*)::text FROM kept"); got != fmt.Sprint(i+1) {
			t.Errorf("%s rows of %d are left", got, i+1)
		}
		_ = c.Close()
	}
}

func TestPdeathsig_StopsThePostmasterOfAKilledServer(t *testing.T) {
	folders := map[string]string{"passable": newFolder(t)}
	if os.Geteuid() == 0 {
		closed := filepath.Join(searchable(t), "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		folders["in a user namespace"] = filepath.Join(closed, "postgres")
	}
	for name, dir := range folders {
		t.Run(name, func(t *testing.T) {
			p := startServer(t, dir, nil)
			p.kill()
			eventually(t, "the end of the postmaster", func() bool {
				state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
				return err != nil || strings.Contains(string(state), ") Z ")
			})
		})
	}
}

func TestOpen_RemovesAPidFileWhoseNumberAnotherProgramHas(t *testing.T) {
	dir := newFolder(t)
	_ = open(t, dir).Close()
	stale := fmt.Sprintf("%d\n%s\n%d\n5432\n/tmp\n\n  123 456\nready   \n", os.Getpid(), dir, time.Now().Unix())
	if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	execute(t, open(t, dir).DSN(), "SELECT 1")
}

func readLog(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(logPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
