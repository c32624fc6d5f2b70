// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// thinClient is the other end of a connection as a bare descriptor, so that a measurement sees the server's side only.
type thinClient int

func dialThin(t testing.TB, l net.Listener) thinClient {
	t.Helper()
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))(t)
	to := &syscall.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	return thinClient(fd)
}

func (c thinClient) put(t testing.TB, b []byte) {
	t.Helper()
	if n, err := syscall.Write(int(c), b); err != nil || n < len(b) {
		t.Fatal(n, err)
	}
}

// until reads until suffix has come.
func (c thinClient) until(t testing.TB, suffix string, buf []byte) {
	t.Helper()
	for n := 0; !bytes.HasSuffix(buf[:n], []byte(suffix)); {
		k, err := syscall.Read(int(c), buf[n:])
		if err != nil || k == 0 {
			t.Fatalf("%d bytes, %v", k, err)
		}
		n += k
	}
}

// parked returns the stacks of goroutines parked by this package, waiting until there are n.
func parked(t testing.TB, n int) []string {
	t.Helper()
	buf := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		var list []string
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "(*Conn).park") && strings.Contains(stack, "IO wait") {
				list = append(list, stack)
			}
		}
		if len(list) == n {
			return list
		}
	}
	t.Fatalf("there are not %d parked goroutines", n)
	return nil
}

func TestIdle_ParksOutsideTheLibrary(t *testing.T) {
	c := echo(t, Options{}).raw(t)
	c.put(t, masked(finText, strings.Repeat("deep", 3000)))
	c.want(t, finText, strings.Repeat("deep", 3000))
	c.put(t, masked(finPong, "alone"), masked(finPing, "p")) // Control frames must not leave it in the library.
	c.want(t, finPong, "p")
	for _, stack := range parked(t, 1) {
		if strings.Contains(stack, "coder/websocket") {
			t.Errorf("parked in the library:\n%s", stack)
		}
	}
}

func TestWire_BorrowsABlockOnlyWhileBytesWait(t *testing.T) {
	l := must(net.Listen("tcp4", "127.0.0.1:0"))(t)
	defer l.Close()
	theirs := dialThin(t, l)
	defer syscall.Close(int(theirs))
	ours := must(l.Accept())(t)
	defer ours.Close()
	w := &newConn(ours, Options{}.withDefaults()).wire
	attempt := func() (filled bool) {
		if err := w.raw.Control(func(fd uintptr) { filled = w.fillFrom(fd) }); err != nil {
			t.Fatal(err)
		}
		return filled
	}
	if attempt() || w.buf != nil {
		t.Fatal("an empty socket holds a block")
	}
	msg := masked(finText, "hi")
	theirs.put(t, msg)
	w.wait()
	if w.buf == nil || w.to != len(msg) {
		t.Fatalf("%d bytes are buffered", w.to)
	}
	for got, p := 0, make([]byte, 16); got < len(msg); {
		if w.buf == nil {
			t.Fatalf("the block was given back with %d bytes unread", len(msg)-got)
		}
		got += must(w.Read(p))(t)
	}
	if w.buf != nil || attempt() {
		t.Error("a drained socket holds a block")
	}
	if _, err := w.Read(make([]byte, 16)); !errors.Is(err, errIdle) {
		t.Errorf("read at rest: %v", err)
	}
}

func residentBytes(t testing.TB) int {
	t.Helper()
	fields := strings.Fields(string(must(os.ReadFile("/proc/self/statm"))(t)))
	return must(strconv.Atoi(fields[1]))(t) * os.Getpagesize()
}

// BenchmarkIdle reports the user-space memory of one idle connection, its goroutine included: resident after connecting,
// resident after an echo on each, and what the runtime has in use after a collection.
func BenchmarkIdle(b *testing.B) {
	const count = 2000
	for b.Loop() {
		measureIdle(b, count)
	}
}

func measureIdle(b *testing.B, count int) {
	l := must(net.Listen("tcp4", "127.0.0.1:0"))(b)
	defer l.Close()
	srv := newEchoServer(l)
	defer srv.Close()
	clients := make([]thinClient, 0, count)
	buf := make([]byte, 4096)
	msg := masked(finText, strings.Repeat("m", 200))
	connectAll := func(n int) {
		for range n {
			c := dialThin(b, l)
			clients = append(clients, c)
			c.put(b, []byte(rawHandshake))
			c.until(b, "\r\n\r\n", buf)
		}
	}
	connectAll(100) // These warm up the pools.
	for _, c := range clients {
		c.put(b, msg)
		c.until(b, "mmm", buf)
	}
	runtime.GC()
	base, baseInUse := residentBytes(b), inUse()
	connectAll(count)
	connected := residentBytes(b)
	for _, c := range clients[100:] {
		c.put(b, msg)
		c.until(b, "mmm", buf)
	}
	echoed := residentBytes(b)
	runtime.GC()
	runtime.GC()
	now := inUse()
	b.ReportMetric(float64(connected-base)/float64(count), "B/conn-rss")
	b.ReportMetric(float64(echoed-base)/float64(count), "B/conn-rss-echoed")
	b.ReportMetric(float64(now.heap-baseInUse.heap)/float64(count), "B/conn-heap")
	b.ReportMetric(float64(now.stack-baseInUse.stack)/float64(count), "B/conn-stack")
	for _, c := range clients {
		_ = syscall.Close(int(c))
	}
	if left := leaked(10 * time.Second); left != "" {
		b.Fatalf("left: %.2000s", left)
	}
}

type memory struct{ heap, stack int }

func inUse() memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{int(m.HeapAlloc), int(m.StackInuse)}
}
