// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const helperVariable = "PRIVATEPG_TEST_DIR"

// TestMain plays the part of a server when the variable names a folder: it opens the cluster, says the number of its
// postmaster and runs until somebody kills it or closes its input.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		os.Exit(serve(dir))
	}
	os.Exit(m.Run())
}

func serve(dir string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := Open(ctx, Options{Dir: dir, Settings: quick()})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("pid", c.Pid(), c.DSN())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := c.Run(ctx); err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("ended")
	return 0
}

// serverProcess is a separate process that owns a cluster.
type serverProcess struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Scanner
	pid int // Of its postmaster.
	dsn string
}

func startServer(t *testing.T, dir string, as *syscall.SysProcAttr) *serverProcess {
	t.Helper()
	program := filepath.Join(searchable(t), "helper")
	copyFile(t, "/proc/self/exe", program)
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), helperVariable + "=" + dir}
	cmd.SysProcAttr = as
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &serverProcess{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		p.kill()
		_ = os.RemoveAll(filepath.Join(os.TempDir(), clusterName(dir)))
	})
	fields := strings.SplitN(p.line(), " ", 3)
	if fields[0] != "pid" || len(fields) != 3 {
		t.Fatalf("the helper says %q", strings.Join(fields, " "))
	}
	p.pid, err = strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	p.dsn = fields[2]
	return p
}

func (p *serverProcess) line() string {
	p.out.Scan()
	return p.out.Text()
}

// kill ends the process as a power cut would; its postmaster gets the kernel's signal.
func (p *serverProcess) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// finish asks for a clean end and waits for it.
func (p *serverProcess) finish(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	if got := p.line(); got != "ended" {
		t.Errorf("the helper says %q", got)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o755); err != nil {
		t.Fatal(err)
	}
}

// searchable returns a folder that every user may pass through, which t.TempDir is not.
func searchable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "privatepg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newFolder(t *testing.T) string {
	t.Helper()
	return filepath.Join(searchable(t), "data", "postgres")
}

// quick leaves out the waiting for the disk. A killed process loses nothing by that, only a power cut would.
func quick() map[string]string { return map[string]string{"fsync": "off"} }

// open opens a cluster that is closed with the test.
func open(t *testing.T, dir string) *Cluster {
	t.Helper()
	return openWith(t, dir, quick())
}

func openWith(t *testing.T, dir string, settings map[string]string) *Cluster {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	c, err := Open(t.Context(), Options{Dir: dir, Log: log, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn := connect(t, dsn)
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	_ = conn.Close(t.Context())
}

func ask(t *testing.T, dsn, query string) string {
	t.Helper()
	var answer string
	if err := connect(t, dsn).QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// eventually waits for a condition, for at most 20 s.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}
