// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley.chat/internal/netlab"
)

func TestProcess_ReachesAnotherHostByName(t *testing.T) {
	_, a, b := lab(t)
	l, err := b.Listen(t.Context(), "tcp4", ":8000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			_, _ = io.WriteString(conn, "from "+conn.RemoteAddr().String())
			_ = conn.Close()
		}
	}()
	if got := says(t, a, "fetch", "b.test:8000"); !strings.HasPrefix(got, "from "+a.Addr().String()+":") {
		t.Errorf("got %q", got)
	}
}

// family starts a process that starts another, and returns both ids.
func family(t *testing.T, h *netlab.Host, ctx context.Context) (cmd *netlab.Cmd, pids []int) {
	t.Helper()
	r, w := io.Pipe()
	cmd = h.Command(ctx, "/proc/self/exe")
	cmd.Env, cmd.Stdout = append(os.Environ(), helper+"=family"), w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	child, err2 := strconv.Atoi(strings.TrimSpace(line))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return cmd, []int{cmd.Pid(), child}
}

// isAlive is false of a process that ended and that its parent has not noticed.
func isAlive(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(raw), ") Z ")
}

func TestProcess_EndsWithItsContext(t *testing.T) {
	_, a, _ := lab(t)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := a.Command(ctx, "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-cmd.Done():
		t.Fatal("it has ended")
	default:
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("it ended well")
	}
	if isAlive(cmd.Pid()) {
		t.Error("it is there still")
	}
}

func TestProcess_AnswersSignals(t *testing.T) {
	_, a, _ := lab(t)
	cmd := a.Command(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.Signal(syscall.SIGTERM)
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", exit)
	}
	cmd.Signal(syscall.SIGTERM)
	if err := a.Command(t.Context(), "/no/such/program").Run(); err == nil || !strings.Contains(err.Error(), "start in a.test") {
		t.Errorf("a program that is missing: %v", err)
	}
}

func TestLab_LeavesNothing(t *testing.T) {
	netlab.Need(t)
	files := openFiles(t)
	l, err := netlab.Open("a.test", "b.test")
	if err != nil {
		t.Fatal(err)
	}
	_, pids := family(t, l.Host("a.test"), t.Context())
	started := time.Now()
	result := make(chan error)
	go func() { result <- l.Close() }()
	for isAlive(pids[0]) {
		time.Sleep(time.Millisecond)
	}
	if err := syscall.Kill(pids[1], syscall.SIGKILL); err != nil { // Nobody told it that its parent is gone.
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Errorf("after %s: %v", time.Since(started), err)
	}
	for _, pid := range pids {
		if isAlive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Host("a.test").Command(t.Context(), "true").Run(); err == nil {
		t.Error("a closed lab starts processes")
	}
	for openFiles(t) > files { // Connections of tests before this one may have to end still.
		if time.Since(started) > time.Minute {
			t.Fatalf("%d files before, %d after", files, openFiles(t))
		}
		time.Sleep(time.Millisecond)
	}
	if found, _ := os.ReadFile("/proc/net/dev"); strings.Contains(string(found), "lab0") {
		t.Error("a device came out of the lab")
	}
}

func TestLab_NamesTheProcessesThatWereLeft(t *testing.T) {
	netlab.Need(t)
	l, err := netlab.Open("a.test")
	if err != nil {
		t.Fatal(err)
	}
	l.SetPatience(100 * time.Millisecond)
	_, pids := family(t, l.Host("a.test"), t.Context())
	err = l.Close()
	if want := "process " + strconv.Itoa(pids[1]) + " (/proc/self/exe) was left in a.test and had to be killed"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if isAlive(pids[0]) || isAlive(pids[1]) {
		t.Error("they are left still")
	}
}

// What root does not need is shown by somebody else: this test runs others of this file as a user without rights.
func TestMain_NeedsNoRoot(t *testing.T) {
	netlab.Need(t)
	if os.Getuid() != 0 {
		t.Skip("this is no root")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^(TestLab_HostsReach|TestProcess_Reaches|TestLab_LeavesNothing)")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "NOT RUN") {
		t.Skipf("user namespaces are not allowed:\n%s", out)
	}
	if err != nil || strings.Count(string(out), "--- PASS") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestOpen_RefusesWhatIsNoLab(t *testing.T) {
	netlab.Need(t)
	for _, names := range [][]string{{"a.test", "a.test"}, make([]string, 201)} {
		if _, err := netlab.Open(names...); err == nil || errors.Is(err, netlab.ErrNotAllowed) {
			t.Errorf("%d names: %v", len(names), err)
		}
	}
}
