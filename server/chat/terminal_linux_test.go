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

	"parley.chat/sdk/sdktest"
)

// pty is a terminal of 80 columns with the client behind it.
type pty struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	seen   strings.Builder
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
		<-p.ended
		_, _ = slave.Close(), master.Close()
	})
	return p
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

func TestTerminal_AsksRegistersTalksAndKeepsTheTypedLine(t *testing.T) {
	f := sdktest.New(t)
	p := openPty(t, "--server", f.URL, "--user", "alice", "--state", t.TempDir())
	p.expect("Password: ")
	p.keys("correct horse\r")
	p.expect("Create it? [y/N] ")
	p.keys("y\r")
	p.expect("Password again: ")
	p.keys("correct horse\r")
	p.expect("connected")
	if strings.Contains(p.screen(), "correct horse") {
		t.Error("the password shows")
	}
	p.keys("/dm bob\r")
	p.expect("── bob ──")
	p.keys("hello\r")
	p.expect(" you: hello\r\n")
	p.expect("[✓] bob> ")
	p.keys("half a li")
	p.expect("half a li")
	f.Say(f.Conversations()[0], "bob@x", "in between")
	p.expect("bob: in between\r\n[✓] bob> half a li")
	p.keys("ne\r")
	p.expect(" you: half a line\r\n")
	p.keys("\x03")
	select {
	case code := <-p.code:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Ctrl-C does not leave")
	}
	if got := f.Stored(f.Conversations()[0]); len(got) != 3 || got[2] != "half a line" {
		t.Errorf("stored %q", got)
	}
}

func TestTerminal_DecliningRegistersNothing(t *testing.T) {
	f := sdktest.New(t)
	p := openPty(t, "--server", f.URL, "--user", "alice", "--state", t.TempDir())
	p.expect("Password: ")
	p.keys("correct horse\r")
	p.expect("Create it? [y/N] ")
	p.keys("\r")
	select {
	case code := <-p.code:
		if code != 1 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
	if n := f.Called("POST register"); n != 0 {
		t.Errorf("%d registrations", n)
	}
}

// loggedIn is a terminal of alice, connected.
func loggedIn(t *testing.T, f *sdktest.Server) *pty {
	t.Helper()
	t.Setenv("PARLEY_PASSWORD", "correct horse")
	p := openPty(t, "--server", f.URL, "--user", "alice", "--state", t.TempDir(), "--register")
	p.expect("connected")
	return p
}

func TestTerminal_TypedLineOfManyRowsIsShownOnce(t *testing.T) {
	p := loggedIn(t, sdktest.New(t))
	p.keys("/dm bob\r")
	p.expect("── bob ──")
	p.expect("bob> ")
	long := strings.Repeat("日", 39)
	p.keys(long + "\r")
	p.expect("\x1b[2A\r\x1b[J")
	p.expect(" you: " + long + "\r\n")
	if strings.Contains(p.screen(), "\x1b[3A") {
		t.Error("a row above the typed line is wiped")
	}
}

func TestTerminal_PromptHoldsOnlyWhatTakesOneColumn(t *testing.T) {
	p := loggedIn(t, sdktest.New(t))
	p.keys("/group \"🚀 crew\"\r")
	p.expect("── 🚀 crew ──\r\n")
	p.expect("? crew> ")
}
