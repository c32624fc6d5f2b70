// SPDX-License-Identifier: Apache-2.0

package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestNew_GivesEachTestItsOwnDatabase(t *testing.T) {
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if _, err := connect(t, New(t)).Exec(t.Context(), "CREATE TABLE same (x int)"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTemplate_IsPreparedOnceAndCopied(t *testing.T) {
	calls := 0
	template := NewTemplate(func(ctx context.Context, dsn string) error {
		calls++
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE TABLE numbers AS SELECT 7 AS x")
		return err
	})
	for range 2 {
		var x int
		conn := connect(t, template.New(t))
		if err := conn.QueryRow(t.Context(), "UPDATE numbers SET x = x + 1 RETURNING x").Scan(&x); err != nil {
			t.Fatal(err)
		}
		if x != 8 {
			t.Errorf("x = %d: the copies are not apart", x)
		}
	}
	if calls != 1 {
		t.Errorf("prepared %d times", calls)
	}
}

func TestNew_DropsTheDatabaseWithTheTest(t *testing.T) {
	var dsn string
	t.Run("inner", func(t *testing.T) { dsn = New(t) })
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database outlived its test")
	}
}

func TestSweep_RemovesFoldersOfDeadProcessesOnly(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	gone := filepath.Join(temp, fmt.Sprintf("%s%d-1", folderPrefix, dead.Process.Pid))
	stays := filepath.Join(temp, fmt.Sprintf("%s%d-1", folderPrefix, os.Getpid()))
	oldSocket, youngSocket := filepath.Join(temp, "parley-pg-1"), filepath.Join(temp, "parley-pg-2")
	for _, dir := range []string{gone, stays, oldSocket, youngSocket} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(oldSocket, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	sweep(temp)
	if _, err := os.Stat(oldSocket); err == nil {
		t.Error("an old empty socket folder is still there")
	}
	if _, err := os.Stat(youngSocket); err != nil {
		t.Error("the socket folder of a server that starts was removed")
	}
	if _, err := os.Stat(gone); err == nil {
		t.Error("the folder of a dead process is still there")
	}
	if _, err := os.Stat(stays); err != nil {
		t.Error("the folder of a living process was removed")
	}
}
