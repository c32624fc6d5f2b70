// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"log/slog"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// starter forks every child from one thread that lives as long as the cluster. The kernel sends Pdeathsig when the
// forking thread ends, and Go ends threads at will, so a child started from any goroutine could be stopped at random.
type starter struct {
	jobs chan func()
	done chan struct{}
}

func newStarter() *starter {
	s := &starter{jobs: make(chan func()), done: make(chan struct{})}
	go s.loop()
	return s
}

func (s *starter) loop() {
	// Never unlocked: the thread ends with the goroutine.
	runtime.LockOSThread()
	defer close(s.done)
	for job := range s.jobs {
		job()
	}
}

func (s *starter) start(cmd *exec.Cmd) error {
	answer := make(chan error, 1)
	s.jobs <- func() { answer <- cmd.Start() }
	return <-answer
}

// stop ends the thread. Children that still live get their Pdeathsig.
func (s *starter) stop() {
	close(s.jobs)
	<-s.done
}

// child is one started postmaster.
type child struct {
	pid   int
	since time.Time
	cmd   *exec.Cmd
	done  chan struct{} // Closed after Wait; cmd.ProcessState may be read then.
}

func (s *starter) launch(cmd *exec.Cmd) (*child, error) {
	if err := s.start(cmd); err != nil {
		return nil, err
	}
	c := &child{pid: cmd.Process.Pid, since: time.Now(), cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = cmd.Wait() // The answer is in ProcessState.
	}()
	return c, nil
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// how says how an ended child ended.
func (c *child) how() string { return c.cmd.ProcessState.String() }

// stop asks for a fast shutdown, then for an immediate one, then takes it away. The later steps cost a crash recovery at
// the next start, never data.
func (c *child) stop(log *slog.Logger) {
	steps := []struct {
		sig  syscall.Signal
		wait time.Duration
	}{
		{syscall.SIGINT, fastShutdown}, {syscall.SIGQUIT, immediateShutdown}, {syscall.SIGKILL, immediateShutdown},
	}
	for i, step := range steps {
		if c.ended() {
			return
		}
		if i > 0 {
			log.Warn("private postgresql does not stop", "pid", c.pid, "signal", step.sig.String())
		}
		_ = c.cmd.Process.Signal(step.sig)
		timer := time.NewTimer(step.wait)
		select {
		case <-c.done:
		case <-timer.C:
		}
		timer.Stop()
	}
}

const (
	fastShutdown      = 60 * time.Second
	immediateShutdown = 10 * time.Second
)
