// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Variables of the environment.
const (
	inside = "PARLEY_NETLAB_INSIDE" // set in the process that Main started: what is not allowed there is not allowed
	must   = "PARLEY_NETLAB"        // "must": a lab that cannot be is a failure
)

// ErrNotAllowed is the cause when this machine does not let us make a lab.
var ErrNotAllowed = errors.New("network namespaces cannot be used here")

// Main runs the tests of a package that uses labs and returns their exit code, for TestMain. A process that may not make
// network namespaces runs the tests in a second process in a user namespace, where it may.
func Main(m interface{ Run() int }) int {
	if os.Getenv(inside) != "" || !errors.Is(tryUnshare(), unix.EPERM) {
		return m.Run()
	}
	code, err := runInside()
	if err != nil {
		_ = os.Setenv(inside, "user namespaces are not allowed: "+err.Error())
		return m.Run()
	}
	return code
}

// tryUnshare makes a network namespace and leaves it at once.
func tryUnshare() error {
	failed := make(chan error)
	onThread(func() { failed <- unix.Unshare(unix.CLONE_NEWNET) })
	return <-failed
}

// runInside runs this program again, with its arguments, in a user namespace in which it may do everything with networks.
// Users keep their numbers, but for root: who is root only in name is told that he is not.
func runInside() (code int, err error) {
	runtime.LockOSThread() // The second process is killed when the thread that started it ends.
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=in a user namespace of its own")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: notRoot(os.Geteuid()), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: notRoot(os.Getegid()), HostID: os.Getegid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_PTRACE},
		Pdeathsig:   syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT) // A test that takes too long is asked by SIGQUIT where it is.
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-done:
				return
			}
		}
	}()
	_ = cmd.Wait() // How it ended is in ProcessState.
	close(done)
	if code = cmd.ProcessState.ExitCode(); code < 0 {
		fmt.Fprintln(os.Stderr, "netlab: the tests ended with", cmd.ProcessState)
		code = 1
	}
	return code, nil
}

// nobody is a user without rights that every Debian has, also in name, which PostgreSQL wants.
const nobody = 65534

func notRoot(id int) int {
	if id == 0 {
		return nobody
	}
	return id
}

// Need skips the test where a lab cannot be made, with the reason.
func Need(t testing.TB) {
	t.Helper()
	l, err := Open("probe.test")
	if err == nil {
		err = l.Close()
	}
	refuse(t, err)
}

// refuse ends the test if there is an error: with a skip if the machine is the cause.
func refuse(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNotAllowed) && os.Getenv(must) != "must":
		reason := fmt.Sprintf("NOT RUN: %v%s", err, where())
		fmt.Fprintln(os.Stderr, t.Name()+":", reason)
		t.Skip(reason)
	default:
		t.Fatalf("netlab: %v%s", err, where())
	}
}

// where tells of the user namespace that Main made, or could not make.
func where() string {
	if w := os.Getenv(inside); w != "" {
		return fmt.Sprintf(" (user %d: %s)", os.Getuid(), w)
	}
	return ""
}

// notAllowed marks an error of a step that the machine may forbid.
func notAllowed(step string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrNotAllowed, step, err)
}

// onThread runs f on a thread of its own that ends with f. The first thread of a process never ends and stands for the
// process in /proc, so it is left alone.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // Locked: the thread ends, and what it belonged to.
		}
		taken := make(chan struct{})
		onThread(func() { close(taken); f() })
		<-taken // Until now this thread could have been chosen again.
		runtime.UnlockOSThread()
	}()
}
