// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Cmd is a process in a host: set the fields, start it once.
type Cmd struct {
	Env            []string  // nil: that of this process
	Dir            string    // empty: that of this process
	Stdout, Stderr io.Writer // nil: nowhere

	host *Host
	cmd  *exec.Cmd
	done chan struct{} // closed after it ended
	err  error         // how, once done
}

// Command is a process to be started in the host. It is killed when ctx ends, and with the lab.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = h.lab.patience // for who inherited its output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return &Cmd{host: h, cmd: cmd, done: make(chan struct{})}
}

// Start starts it.
func (c *Cmd) Start() error {
	c.cmd.Env, c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = c.Env, c.Dir, c.Stdout, c.Stderr
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isClosed {
		return errors.New("the lab is closed")
	}
	failed := make(chan error)
	h.jobs <- func() { failed <- c.cmd.Start() }
	if err := <-failed; err != nil {
		return fmt.Errorf("start in %s: %w", h.name, err)
	}
	h.commands = append(h.commands, c)
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return nil
}

// Wait waits for its end and returns what exec.Cmd.Wait does. Any number of goroutines may wait.
func (c *Cmd) Wait() error {
	<-c.done
	return c.err
}

// Done is closed when it has ended.
func (c *Cmd) Done() <-chan struct{} { return c.done }

// Run starts it and waits.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// CombinedOutput runs it and returns what it wrote.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return b.Bytes(), err
}

// Signal sends a signal; nothing happens if it has ended.
func (c *Cmd) Signal(s os.Signal) { _ = c.cmd.Process.Signal(s) }

// Pid is its process id, which is the same in and outside of the lab. It must have been started.
func (c *Cmd) Pid() int { return c.cmd.Process.Pid }

// patience is how long processes have that lost their parent.
const patience = 20 * time.Second

// endProcesses kills what was started and waits until nothing runs in the host.
func (h *Host) endProcesses() error {
	h.mu.Lock()
	h.isClosed = true
	commands := h.commands
	h.mu.Unlock()
	for _, c := range commands {
		_ = c.cmd.Process.Kill() // That it has ended is no matter.
		<-c.done
	}
	var failures []error
	for deadline := time.Now().Add(h.lab.patience); ; time.Sleep(5 * time.Millisecond) {
		left := h.processes()
		if len(left) == 0 {
			return errors.Join(failures...)
		}
		if time.Now().Before(deadline) {
			continue
		}
		for _, pid := range left {
			failures = append(failures, fmt.Errorf("process %d (%s) was left in %s and had to be killed", pid, nameOf(pid), h.name))
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		deadline = time.Now().Add(h.lab.patience)
	}
}

// processes are the ids of those that run in the host. They have names in the lab's namespace, whoever their parent is.
func (h *Host) processes() []int {
	var out []int
	found, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range found {
		if space, err := os.Readlink(path); err != nil || space != h.spaceName {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); err == nil && pid != os.Getpid() {
			out = append(out, pid)
		}
	}
	return out
}

func nameOf(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(strings.ReplaceAll(string(raw), "\x00", " "))
}
