// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const proto = "parley.v1"

func TestMain(m *testing.M) {
	code := m.Run()
	if leak := leaked(10 * time.Second); code == 0 && leak != "" {
		fmt.Fprintf(os.Stderr, "goroutines of connections are left:\n%s\n", leak)
		code = 1
	}
	os.Exit(code)
}

// leaked waits until no goroutine runs code of this package or of the library, and returns the stacks of those that
// stay.
func leaked(patience time.Duration) string {
	for end := time.Now().Add(patience); ; {
		buf := make([]byte, 1<<20)
		var left []string
		for i, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if i > 0 && (strings.Contains(stack, "socket.(*") || strings.Contains(stack, "coder/websocket")) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// ended is what OnClose was told.
type ended struct {
	code   int
	reason string
}

// room is a server whose connections can be waited for.
type room struct {
	url   string
	addr  string
	conns chan *Conn
	ends  chan ended
}

// serve runs a server that accepts with o and calls each before Start. The listener may be wrapped.
func serve(t testing.TB, o Options, wrap func(net.Listener) net.Listener, each func(*Conn)) *room {
	t.Helper()
	r := &room{conns: make(chan *Conn, 16), ends: make(chan ended, 16)}
	onClose := o.OnClose
	o.OnClose = func(code int, reason string) {
		if onClose != nil {
			onClose(code, reason)
		}
		r.ends <- ended{code, reason}
	}
	if o.Subprotocol == "" {
		o.Subprotocol = proto
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c, err := Accept(w, req, o)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if each != nil {
			each(c)
		}
		c.Start()
		r.conns <- c
	})
	srv := httptest.NewUnstartedServer(handler)
	if wrap != nil {
		srv.Listener = wrap(srv.Listener)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	r.url, r.addr = srv.URL, srv.Listener.Addr().String()
	return r
}

// echo serves connections that send back what they receive.
func echo(t testing.TB, o Options) *room {
	t.Helper()
	return serveEach(t, o, func(c *Conn, msg []byte) { c.Send(Prepare(msg)) })
}

// serveEach serves with an OnMessage that knows its connection.
func serveEach(t testing.TB, o Options, onMessage func(*Conn, []byte)) *room {
	t.Helper()
	ready := make(chan *Conn, 16)
	var once sync.Mutex
	var conn *Conn
	o.OnMessage = func(msg []byte) {
		once.Lock()
		if conn == nil {
			conn = <-ready
		}
		c := conn
		once.Unlock()
		onMessage(c, msg)
	}
	return serve(t, o, nil, func(c *Conn) { ready <- c })
}

func (r *room) wantEnd(t testing.TB, code int, reason string) {
	t.Helper()
	got := receive(t, r.ends)
	if got.code != code || (reason != "" && got.reason != reason) {
		t.Fatalf("OnClose(%d, %q), want %d %q", got.code, got.reason, code, reason)
	}
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("waited 10 s in vain")
		panic("unreachable")
	}
}

// dial connects with the library's client.
func (r *room) dial(t testing.TB) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, r.url, &websocket.DialOptions{Subprotocols: []string{proto, "ticket"}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 24)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// rawClient speaks frames by hand.
type rawClient struct {
	net.Conn
	r    *bufio.Reader
	head string // of the answer to the handshake
}

const rawHandshake = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: parley.v1\r\n\r\n"

func (r *room) raw(t testing.TB, early ...byte) *rawClient {
	t.Helper()
	nc := must(net.Dial("tcp", r.addr))(t)
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return shake(t, nc, early...)
}

func shake(t testing.TB, nc net.Conn, early ...byte) *rawClient {
	t.Helper()
	must(nc.Write(append([]byte(rawHandshake), early...)))(t)
	return readAnswer(t, nc)
}

// readAnswer reads the answer to a handshake.
func readAnswer(t testing.TB, nc net.Conn) *rawClient {
	t.Helper()
	c := &rawClient{Conn: nc, r: bufio.NewReader(nc)}
	for !strings.HasSuffix(c.head, "\r\n\r\n") {
		c.head += must(c.r.ReadString('\n'))(t)
	}
	if !strings.HasPrefix(c.head, "HTTP/1.1 101 ") {
		t.Fatalf("answer: %s", c.head)
	}
	return c
}

// masked encodes a client frame; first is its first byte.
func masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

func (c *rawClient) put(t testing.TB, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		must(c.Write(f))(t)
	}
}

// frame reads one server frame.
func (c *rawClient) frame() (first byte, payload string, err error) {
	var head [10]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return 0, "", err
	}
	size := uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(c.r, head[2:4])
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(c.r, head[2:10])
		size = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return 0, "", err
	}
	if size > 1<<24 {
		return 0, "", errors.New("server frame is masked or absurdly large")
	}
	body := make([]byte, size)
	_, err = io.ReadFull(c.r, body)
	return head[0], string(body), err
}

func (c *rawClient) want(t testing.TB, first byte, payload string) {
	t.Helper()
	gotFirst, got, err := c.frame()
	if err != nil {
		t.Fatal(err)
	}
	if gotFirst != first || got != payload {
		t.Fatalf("frame %#x %.80q, want %#x %.80q", gotFirst, got, first, payload)
	}
}

// wantClose reads up to the close frame and expects its code.
func (c *rawClient) wantClose(t testing.TB, code int) {
	t.Helper()
	for {
		first, body, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		if first != finClose {
			continue
		}
		if got, _ := parseClose([]byte("\x88\x00" + body)); got != code {
			t.Fatalf("close code %d, want %d", got, code)
		}
		return
	}
}

func (c *rawClient) wantEOF(t testing.TB) {
	t.Helper()
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the close frame: %v, want EOF", err)
	}
}
