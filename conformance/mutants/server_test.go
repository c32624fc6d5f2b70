// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startServer builds the server of this repository and runs it with a private PostgreSQL until the test ends.
func startServer(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "parley-mutants-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // The private PostgreSQL may run as another user.
		t.Fatal(err)
	}
	binary := os.Getenv("CONFORMANCE_SERVER") // A server that is built already.
	if binary == "" {
		binary = filepath.Join(dir, "parley")
		build := exec.Command("go", "build", "-o", binary, "./server")
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the server: %v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(binary, "serve")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PARLEY_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "PARLEY_LISTEN="+address, "PARLEY_DATA_DIR="+filepath.Join(dir, "data"), "PARLEY_LOG_LEVEL=error", "PARLEY_DATABASE_SHARDS=4",
		"PARLEY_LIMITS_MESSAGES_PER_MINUTE=0", "PARLEY_LIMITS_GROUP_MESSAGES_PER_MINUTE=0",
		"PARLEY_LIMITS_NEWCOMER_CONVERSATIONS=0", "PARLEY_LIMITS_CONVERSATIONS_PER_DAY=0", "PARLEY_LIMITS_LOOKUPS_PER_MINUTE=0", "PARLEY_LIMITS_SEARCHES_PER_MINUTE=0", "PARLEY_LIMITS_REQUESTS_AT_ONCE=0", "PARLEY_LIMITS_REQUESTS_PER_SECOND=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	url := "http://" + address
	if err := waitReady(url); err != nil {
		t.Fatal(err)
	}
	return url
}

func waitReady(url string) error {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		res, err := http.Get(url + "/readyz")
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("the server at %s did not become ready", url)
}
