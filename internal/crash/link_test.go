// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// echo is a server that says everything again.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func linked(t *testing.T) (*link, net.Conn) {
	t.Helper()
	l, err := newLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	c, err := net.Dial("tcp", l.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return l, c
}

// says writes a line and returns what is answered within a time.
func says(t *testing.T, c net.Conn, line string, within time.Duration) (string, error) {
	t.Helper()
	if _, err := c.Write([]byte(line)); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestLink_CutHoldsBackAndRestoreDelivers(t *testing.T) {
	t.Parallel()
	l, c := linked(t)
	if got, err := says(t, c, "one\n", time.Minute); got != "one\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	l.cut(false)
	if got, err := says(t, c, "two\n", 50*time.Millisecond); err == nil {
		t.Errorf("through a cut link came %q", got)
	}
	l.restore()
	if got, err := says(t, c, "", time.Minute); got != "two\n" {
		t.Errorf("after the cut: %q, %v", got, err)
	}
}

func TestLink_AHardCutLosesConnectionsAndRestoreTakesNewOnes(t *testing.T) {
	t.Parallel()
	l, c := linked(t)
	l.cut(true)
	if got, err := says(t, c, "one\n", time.Minute); err == nil {
		t.Errorf("the connection lives: %q", got)
	}
	again, err := net.Dial("tcp", l.address())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := says(t, again, "two\n", 50*time.Millisecond); err == nil {
		t.Errorf("through a cut link came %q", got)
	}
	l.restore()
	if got, err := says(t, again, "", time.Minute); got != "two\n" {
		t.Errorf("after the cut: %q, %v", got, err)
	}
}
