// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Times of a process.
const (
	readyTime = 5 * time.Minute // a database may have to recover
	lookEvery = 100 * time.Millisecond
	stopTime  = 90 * time.Second
)

// process is a running server.
type process struct {
	homeserver
	cmd  *exec.Cmd
	done chan struct{} // closed after it ended
}

// launch starts a server, with its log in a file. The calling thread must live as long as the server should.
func launch(parley string, h homeserver) (*process, error) {
	log, err := os.Create(h.log())
	if err != nil {
		return nil, err
	}
	defer log.Close() // The child has its own.
	p := &process{homeserver: h, cmd: exec.Command(parley, "serve", "-config", h.config()), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = log, log, environment()
	// Ctrl-C reaches only this program, which passes it on; if this one is killed, the kernel does.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", h.Name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // The answer is in ProcessState.
	}()
	return p, nil
}

// environment is ours without what would change both servers' configuration.
func environment() []string {
	var out []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "PARLEY_") {
			out = append(out, pair)
		}
	}
	return out
}

func (p *process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// waitReady waits until sends would be accepted.
func (p *process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !p.isReady(ctx) {
		select {
		case <-p.done:
			return fmt.Errorf("%s did not start (%s); the end of %s:\n%s", p.Name, p.cmd.ProcessState, p.log(), p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; the end of %s:\n%s", p.Name, ctx.Err(), p.log(), p.lastWords())
		case <-tick.C:
		}
	}
	return nil
}

func (p *process) isReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.clients+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// lastWords is the end of its log.
func (p *process) lastWords() string {
	const most = 20
	raw, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-most):], "\n  ")
}

// examine lets the doctor of this server look at another: the last thing it does is a signed request.
func (p *process) examine(ctx context.Context, parley string, other homeserver) error {
	cmd := exec.CommandContext(ctx, parley, "doctor", "-config", p.config(), other.Name)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not reach %s: %w\n%s", p.Name, other.Name, err, out)
	}
	return nil
}

// stop ends it in order and waits, at most as long as the database may take.
func (p *process) stop() error {
	if p.hasEnded() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop and was killed; the next start recovers", p.Name)
	}
	how, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !p.cmd.ProcessState.Success() && how.Signal() != syscall.SIGTERM { // That is one that had not begun.
		return fmt.Errorf("%s ended with %s; the end of %s:\n%s", p.Name, p.cmd.ProcessState, p.log(), p.lastWords())
	}
	return nil
}
