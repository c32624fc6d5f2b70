// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// noLimits let a few devices load the server as many would.
var noLimits = []string{
	"PARLEY_LIMITS_MESSAGES_PER_MINUTE=0", "PARLEY_LIMITS_GROUP_MESSAGES_PER_MINUTE=0",
	"PARLEY_LIMITS_NEWCOMER_CONVERSATIONS=0", "PARLEY_LIMITS_CONVERSATIONS_PER_DAY=0", "PARLEY_LIMITS_LOOKUPS_PER_MINUTE=0", "PARLEY_LIMITS_SEARCHES_PER_MINUTE=0", "PARLEY_LIMITS_REQUESTS_AT_ONCE=0", "PARLEY_LIMITS_REQUESTS_PER_SECOND=0",
}

// server is the parley process under test, one after another in the same folder.
type server struct {
	binary, dir, address string
	env                  []string // further settings
	jobs                 chan func()

	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{} // closed after Wait
}

func newServer(binary, dir string, rng *rand.Rand) (*server, error) {
	address, err := freeAddress(rng)
	if err != nil {
		return nil, err
	}
	s := &server{binary: binary, dir: dir, address: address, jobs: make(chan func())}
	go s.fork()
	return s, nil
}

// fork keeps one thread for all children: the kernel kills them when the thread that forked them ends.
func (s *server) fork() {
	runtime.LockOSThread()
	for job := range s.jobs {
		job()
	}
}

// freeAddress finds a port below those that the kernel gives to clients: while no server listens, a client that dials
// a port of that range may get it for itself and is connected to itself.
func freeAddress(rng *rand.Rand) (string, error) {
	for range 100 {
		address := "127.0.0.1:" + strconv.Itoa(20000+rng.IntN(10000))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no free port between 20000 and 30000")
}

func (s *server) logPath() string { return filepath.Join(s.dir, "server.log") }

// start runs the server; it kills itself at the failpoint if there is one.
func (s *server) start(failpoint string) error {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.binary, "serve")
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PARLEY_DATA_DIR="+filepath.Join(s.dir, "data"), "PARLEY_LISTEN="+s.address,
		"PARLEY_TEST_FAILPOINT="+failpoint)
	cmd.Env = append(append(cmd.Env, noLimits...), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	failed := make(chan error)
	s.started = time.Now()
	s.jobs <- func() { failed <- cmd.Start() }
	if err := <-failed; err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // How it ended is in ProcessState.
	}()
	return nil
}

// kill ends the server at once and waits until it is gone.
func (s *server) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	<-s.ended
}

// stop asks the server to end and reports what it did not do in order.
func (s *server) stop(patience time.Duration) error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.kill()
		return fmt.Errorf("the server did not stop within %s of SIGTERM", patience)
	}
	if !s.cmd.ProcessState.Success() {
		return fmt.Errorf("the server stopped with %s", s.cmd.ProcessState)
	}
	return nil
}

// close ends what may still run.
func (s *server) close() {
	if s.cmd != nil {
		s.kill()
	}
	close(s.jobs)
}

// hasEnded tells whether the process is gone.
func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// postmaster reads the process id and the folder of the socket of the private PostgreSQL. The file is written in steps,
// so it may be short for a moment.
func (s *server) postmaster() (pid int, socket string, err error) {
	raw, err := os.ReadFile(filepath.Join(s.dir, "data", "postgres", "postmaster.pid"))
	if err != nil {
		return 0, "", err
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) < 6 {
		return 0, "", errors.New("postmaster.pid is not complete")
	}
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return 0, "", fmt.Errorf("postmaster.pid names no process: %q", lines[0])
	}
	return pid, strings.TrimSpace(lines[4]), nil
}

// dsn is that of the private database of the running server.
func (s *server) dsn() (string, error) {
	_, socket, err := s.postmaster()
	return fmt.Sprintf("host=%s port=5432 user=postgres dbname=parley", socket), err
}

// killPostgres kills the postmaster and returns its process id, 0 if none ran.
func (s *server) killPostgres() int {
	pid, _, err := s.postmaster()
	if err != nil || !isPostgres(pid) || syscall.Kill(pid, syscall.SIGKILL) != nil {
		return 0
	}
	return pid
}

// isPostgres keeps a stale file from naming a process of somebody else.
func isPostgres(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(raw, []byte("postgres"))
}

// awaitPostgres waits for another postmaster than the one that was killed.
func (s *server) awaitPostgres(ctx context.Context, killed int) error {
	for {
		if pid, _, err := s.postmaster(); err == nil && pid != killed && isPostgres(pid) {
			return nil
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return errors.New("PostgreSQL was not started again")
		}
	}
}

// complaints are lines of the server's log that no crash explains.
func (s *server) complaints() []string {
	raw, err := os.ReadFile(s.logPath())
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		for _, word := range []string{"DATA RACE", "panic:", "fatal error:", "level=ERROR msg=\"internal"} {
			if strings.Contains(line, word) && len(out) < 20 {
				out = append(out, "server log: "+strings.TrimSpace(line))
			}
		}
	}
	return out
}

// lastLog is the end of the server's log.
func (s *server) lastLog() string {
	raw, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// sleep reports whether the whole time passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
