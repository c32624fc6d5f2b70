// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// noLimits let a few users load the server as many would.
var noLimits = []string{
	"PARLEY_LIMITS_MESSAGES_PER_MINUTE=0", "PARLEY_LIMITS_GROUP_MESSAGES_PER_MINUTE=0",
	"PARLEY_LIMITS_NEWCOMER_CONVERSATIONS=0", "PARLEY_LIMITS_CONVERSATIONS_PER_DAY=0", "PARLEY_LIMITS_LOOKUPS_PER_MINUTE=0", "PARLEY_LIMITS_SEARCHES_PER_MINUTE=0", "PARLEY_LIMITS_REQUESTS_AT_ONCE=0", "PARLEY_LIMITS_REQUESTS_PER_SECOND=0",
}

// server is the process under load.
type server struct {
	cmd *exec.Cmd
	dir string
	url string
}

// workshop makes a folder, and the binary in it unless one is given.
func workshop(ctx context.Context, binary string) (dir, built string, err error) {
	if dir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
		return "", "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", "", err
	}
	if binary != "" {
		return dir, binary, nil
	}
	binary = filepath.Join(dir, "parley")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./server")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", "", fmt.Errorf("build the server (run this in the project's folder): %w", err)
	}
	return dir, binary, nil
}

func start(ctx context.Context, binary string) (*server, error) {
	dir, binary, err := workshop(ctx, binary)
	if err != nil {
		return nil, err
	}
	return startIn(ctx, dir, binary)
}

// freeAddress is one that nobody listens at now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startIn starts a server with its data in the folder and further settings.
func startIn(ctx context.Context, dir, binary string, settings ...string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, url: "http://" + address, cmd: exec.Command(binary, "serve")}
	s.cmd.Env = append(os.Environ(), "PARLEY_LISTEN="+address, "PARLEY_DATA_DIR="+filepath.Join(dir, "data"), "PARLEY_LOG_LEVEL=error")
	s.cmd.Env = append(append(s.cmd.Env, noLimits...), settings...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, s.wait(ctx)
}

func (s *server) wait(ctx context.Context) error {
	for range 300 {
		if resp, err := http.Get(s.url + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the server did not become ready")
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// usage is CPU time in seconds.
type usage struct{ server, postgres float64 }

func (u usage) add(v usage) usage { return usage{u.server + v.server, u.postgres + v.postgres} }

func (u usage) sub(v usage) usage { return usage{u.server - v.server, u.postgres - v.postgres} }

// usage adds up the server and every process of its PostgreSQL, ended backends among them.
func (s *server) usage() (usage, error) {
	own, err := cpu(s.cmd.Process.Pid, false)
	if err != nil {
		return usage{}, err
	}
	out := usage{server: own}
	raw, err := os.ReadFile(filepath.Join(s.dir, "data", "postgres", "postmaster.pid"))
	if err != nil {
		return usage{}, err
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		return usage{}, err
	}
	for _, pid := range append(children(postmaster), postmaster) {
		if t, err := cpu(pid, pid == postmaster); err == nil {
			out.postgres += t
		}
	}
	return out, nil
}

// cpu reads utime and stime, and those of ended children, in seconds (proc(5): fields 14 to 17, in ticks of 10 ms).
func cpu(pid int, ended bool) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	last := 13
	if ended {
		last = 15
	}
	var ticks float64
	for _, f := range fields[11:last] {
		n, _ := strconv.ParseFloat(f, 64)
		ticks += n
	}
	return ticks / 100, nil
}

func children(pid int) []int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var out []int
	for _, f := range strings.Fields(string(raw)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, n)
		}
	}
	return out
}
