// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestOpen_StartsAFreshDurableClusterWithoutTCP(t *testing.T) {
	c := openWith(t, newFolder(t), nil)
	want := map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "listen_addresses": "",
		"data_checksums": "on", "server_encoding": "UTF8", "lc_collate": "C.UTF-8", "jit": "off",
		"max_connections": "100", "shared_buffers": "128MB", "max_wal_size": "2GB",
	}
	for name, value := range want {
		if name == "lc_collate" {
			if got := ask(t, c.DSN(), "SELECT datcollate FROM pg_database WHERE datname = 'parley'"); got != value {
				t.Errorf("collation is %q", got)
			}
			continue
		}
		if got := ask(t, c.DSN(), "SHOW "+name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
	for _, path := range []string{c.dir, c.socket} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, want private", path, info.Mode())
		}
	}
}

func TestOpen_KeepsTheDataAndTheDSNOverARestart(t *testing.T) {
	dir := newFolder(t)
	c := open(t, dir)
	dsn := c.DSN()
	execute(t, dsn, "CREATE TABLE kept AS SELECT 'here' AS word")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket folder is left behind: %v", err)
	}
	c = open(t, dir)
	if c.DSN() != dsn {
		t.Errorf("the DSN changed from %q to %q", dsn, c.DSN())
	}
	if got := ask(t, c.DSN(), "SELECT word FROM kept"); got != "here" {
		t.Errorf("got %q", got)
	}
}

func TestOpen_FindsALongPath(t *testing.T) {
	dir := filepath.Join(searchable(t), strings.Repeat("deep/", 30), "postgres")
	if len(dir) <= maxSocketPath {
		t.Fatal("the path is not long")
	}
	c := open(t, dir)
	if got := ask(t, c.DSN(), "SHOW data_directory"); got != dir {
		t.Errorf("data in %q, want %q", got, dir)
	}
}

func TestOpen_FollowsALinkToTheFolder(t *testing.T) {
	base := searchable(t)
	elsewhere := filepath.Join(base, "disk")
	if err := os.Mkdir(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(base, "data")); err != nil {
		t.Fatal(err)
	}
	c := open(t, filepath.Join(base, "data", "postgres"))
	if want := filepath.Join(elsewhere, "postgres"); c.dir != want {
		t.Errorf("real folder is %q, want %q", c.dir, want)
	}
}

func TestOpen_WorksUnderAFolderNobodyElseMayPass(t *testing.T) {
	needRoot(t)
	closed := filepath.Join(searchable(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "data", "postgres")
	c := open(t, dir)
	if c.as.mode != namespace {
		t.Errorf("runs as %s, want a user namespace", c.as.name)
	}
	execute(t, c.DSN(), "CREATE TABLE kept AS SELECT 'here' AS word")
	_ = c.Close()
	// Opening the parent later must not change the owner of what exists.
	if err := os.Chmod(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, open(t, dir).DSN(), "SELECT word FROM kept"); got != "here" {
		t.Errorf("got %q", got)
	}
}

func TestOpen_SaysWhichFolderIsClosedToAnExistingCluster(t *testing.T) {
	needRoot(t)
	dir := newFolder(t)
	_ = open(t, dir).Close()
	parent := filepath.Dir(dir)
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "chmod o+x "+parent) {
		t.Errorf("got %v", err)
	}
}

func TestOpen_AsAnOrdinaryUser(t *testing.T) {
	needRoot(t)
	base := searchable(t)
	if err := os.Chown(base, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	dir := filepath.Join(base, "data", "postgres")
	for range 2 {
		p := startServer(t, dir, nobody)
		if got := ask(t, p.dsn, "SELECT current_user::text"); got != superuser {
			t.Errorf("connected as %q", got)
		}
		p.finish(t)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 65534 {
		t.Errorf("the folder belongs to %d", uid)
	}
	// Root that comes later goes on as the owner.
	if c := open(t, dir); c.as.name != "nobody" {
		t.Errorf("root runs it as %s", c.as.name)
	}
}

func TestOpen_RefusesAnotherMajorVersion(t *testing.T) {
	dir := newFolder(t)
	_ = open(t, dir).Close()
	version := filepath.Join(dir, "PG_VERSION")
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	_, err := Open(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") {
		t.Errorf("got %v", err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder was touched:\n%s\nwas:\n%s", after, before)
	}
}

func TestOpen_RefusesAFolderOfSomethingElse(t *testing.T) {
	dir := newFolder(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "no PostgreSQL cluster") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "letter.txt")); err != nil {
		t.Error(err)
	}
}

func TestOpen_RecoversFromAKilledInitdb(t *testing.T) {
	dir := newFolder(t)
	half := filepath.Join(dir+".new", "base", "1")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir+".new", "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if _, err := os.Stat(dir + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the half cluster is still there")
	}
	execute(t, c.DSN(), "SELECT 1")
}

func TestOpen_RefusesALivingServerOfSomebodyElse(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	c := open(t, dir)
	// Without our lock the server looks like one that an administrator started by hand.
	if err := os.Remove(dir + ".lock"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrHeld) {
		t.Errorf("got %v, want ErrHeld", err)
	}
	execute(t, c.DSN(), "SELECT 1")
}

func TestOpen_ConcurrentlyOneWins(t *testing.T) {
	dir := newFolder(t)
	const n = 3
	clusters, errs := make([]*Cluster, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { clusters[i], errs[i] = Open(t.Context(), Options{Dir: dir}) })
	}
	wg.Wait()
	won := 0
	for i := range n {
		if errs[i] == nil {
			won++
			execute(t, clusters[i].DSN(), "SELECT 1")
			_ = clusters[i].Close()
		} else if !strings.Contains(errs[i].Error(), "in use by another parley process") {
			t.Errorf("a loser got %v", errs[i])
		}
	}
	if won != 1 {
		t.Errorf("%d opened it", won)
	}
}

func TestOpen_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := newFolder(t)
	if _, err := Open(ctx, Options{Dir: dir}); err == nil {
		t.Fatal("opened with a context that is done")
	}
	// Nothing is left that would stop the next one.
	execute(t, open(t, dir).DSN(), "SELECT 1")
}

func TestOpen_QuotesTheServerLogWhenItDoesNotStart(t *testing.T) {
	dir := newFolder(t)
	_, err := Open(t.Context(), Options{Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			b.WriteString(path + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
