// SPDX-License-Identifier: Apache-2.0

package pgtest

import (
	"context"
	"errors"
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

	"parley.chat/server/privatepg"
)

// shared is the cluster of this test binary.
var shared server

type server struct {
	mu      sync.Mutex
	cluster *privatepg.Cluster
	err     error
	dir     string
	count   atomic.Int64
}

// Main runs the tests of a package, removes the cluster if one was started, and exits.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit, for a TestMain that looks at more. m is a *testing.M or wraps one.
func Run(m interface{ Run() int }) int {
	defer shared.close()
	return m.Run()
}

// New returns the DSN of a fresh, empty database that is dropped when the test ends.
func New(t testing.TB) string {
	t.Helper()
	return create(t, "template0")
}

// Template is a database that is prepared once, for example with all tables, and copied for each test.
type Template struct {
	once    sync.Once
	prepare func(ctx context.Context, dsn string) error
	name    string
	err     error
}

// NewTemplate returns a template that prepare fills at its first use in this test binary. Keep it in a package-level
// variable of the tests. prepare must close every connection it opens.
func NewTemplate(prepare func(ctx context.Context, dsn string) error) *Template {
	return &Template{prepare: prepare}
}

// New returns the DSN of a fresh copy of the template that is dropped when the test ends.
func (p *Template) New(t testing.TB) string {
	t.Helper()
	p.once.Do(func() { p.name, p.err = shared.prepare(p.prepare) })
	if p.err != nil {
		t.Fatalf("pgtest: prepare template: %v", p.err)
	}
	return create(t, p.name)
}

func create(t testing.TB, template string) string {
	t.Helper()
	name, err := shared.create(template)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := shared.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	dsn, err := shared.dsn(name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return dsn
}

func (s *server) prepare(fill func(context.Context, string) error) (string, error) {
	name, err := s.create("template0")
	if err != nil {
		return "", err
	}
	dsn, err := s.dsn(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return name, fill(ctx, dsn)
}

func (s *server) create(template string) (string, error) {
	name := fmt.Sprintf("test_%d", s.count.Add(1))
	return name, s.exec("CREATE DATABASE " + name + " TEMPLATE " + template)
}

func (s *server) exec(statement string) error {
	dsn, err := s.dsn("postgres")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func (s *server) dsn(database string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil && s.err == nil {
		s.err = s.open()
	}
	if s.err != nil {
		return "", s.err
	}
	return strings.Replace(s.cluster.DSN(), "dbname=parley", "dbname="+database, 1), nil
}

const folderPrefix = "parley-pgtest-"

// open starts the cluster; the lock is held over it on purpose: parallel tests wait for the one start.
func (s *server) open() error {
	sweep(os.TempDir())
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
	if err != nil {
		return err
	}
	s.dir = dir
	// The user that runs PostgreSQL must pass through.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.cluster, err = privatepg.Open(ctx, privatepg.Options{Dir: filepath.Join(dir, "postgres"), Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
		"max_connections": "200", "shared_buffers": "64MB", "max_wal_size": "4GB",
	}})
	return err
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil {
		_ = s.cluster.Close()
		s.cluster = nil
	}
	s.err = errors.New("the cluster is closed")
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// sweep removes the folders of test binaries that ended without Main, by a panic or a kill. A server that is still
// stopping in such a folder only loses what nobody wants.
func sweep(temp string) {
	dirs, _ := filepath.Glob(filepath.Join(temp, folderPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), folderPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
	// Their socket folders are empty by now. A young one may be that of a server which is just starting.
	sockets, _ := filepath.Glob(filepath.Join(temp, "parley-pg-*"))
	for _, dir := range sockets {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(dir)
		}
	}
}
