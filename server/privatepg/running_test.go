// SPDX-License-Identifier: Apache-2.0

package privatepg_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"parley.chat/server/privatepg"
)

func TestRunning_FindsTheServerOfAnotherProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "postgres")
	if _, err := privatepg.Running(dir); err == nil {
		t.Error("a folder without a server has one running")
	}
	c, err := privatepg.Open(t.Context(), privatepg.Options{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dsn, err := privatepg.Running(dir)
	if err != nil || dsn != c.DSN() {
		t.Fatalf("found %q, %v; it is %q", dsn, err, c.DSN())
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(context.WithoutCancel(t.Context()))
}
