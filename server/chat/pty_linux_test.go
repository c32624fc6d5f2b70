// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a terminal of 80 columns with the client behind it.
type pty struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	seen   strings.Builder
	past   int // how much of seen was passed over by next
	code   chan int
	ended  chan struct{}
}

func openPty(t *testing.T, args ...string) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	var slave *os.File
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	p := &pty{t: t, master: master, code: make(chan int, 1), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(p.ended)
		p.code <- Main(ctx, args, slave, slave)
	}()
	go p.follow()
	t.Cleanup(func() {
		cancel()
		p.hangUp()
		_, _ = slave.Close(), master.Close()
	})
	return p
}

// hangUp ends the input, as often as something still reads it.
func (p *pty) hangUp() {
	for {
		select {
		case <-p.ended:
			return
		case <-time.After(20 * time.Millisecond):
			_, _ = p.master.WriteString("\x04")
		}
	}
}

func (p *pty) follow() {
	b := make([]byte, 4096)
	for {
		n, err := p.master.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.seen.Write(b[:n])
		p.mu.Unlock()
	}
}

func (p *pty) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *pty) keys(s string) {
	p.t.Helper()
	if _, err := p.master.WriteString(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pty) expect(want string) {
	p.t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(p.screen(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("no %q on the screen:\n%q", want, p.screen())
		}
	}
}

// next waits for the text behind what the last next found.
func (p *pty) next(want string) {
	p.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		rest := p.screen()[p.past:]
		if at := strings.Index(rest, want); at >= 0 {
			p.past += at + len(want)
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("no %q behind:\n%q", want, rest)
		}
	}
}

func (p *pty) exit(want int) {
	p.t.Helper()
	select {
	case code := <-p.code:
		if code != want {
			p.t.Errorf("exit code %d, want %d", code, want)
		}
	case <-time.After(10 * time.Second):
		p.t.Fatal("does not end")
	}
}
