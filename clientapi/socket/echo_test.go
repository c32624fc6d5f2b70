// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

func TestEcho_MessagesOfEverySizeComeBack(t *testing.T) {
	r := echo(t, Options{ReadLimit: 1 << 20})
	c := r.dial(t)
	if c.Subprotocol() != proto {
		t.Fatalf("selected %q", c.Subprotocol())
	}
	for _, size := range []int{0, 1, 2, 125, 126, 127, 4083, 4096, 4097, 65535, 65536, 1 << 20} {
		msg := strings.Repeat("ä", size/2) + strings.Repeat("x", size%2)
		if err := c.Write(t.Context(), websocket.MessageText, []byte(msg)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if kind != websocket.MessageText || string(got) != msg {
			t.Fatalf("%d bytes came back as %d", len(msg), len(got))
		}
	}
	if err := c.Close(4123, "enough"); err != nil {
		t.Fatal(err)
	}
	r.wantEnd(t, 4123, "enough")
}

func TestEcho_PipelinedMessagesKeepTheirOrder(t *testing.T) {
	r := echo(t, Options{QueueFrames: 5000})
	c := r.raw(t)
	var all []byte
	const n = 3000
	for i := range n {
		all = append(all, masked(finText, fmt.Sprintf("m%d", i))...)
	}
	c.put(t, all)
	for i := range n {
		c.want(t, finText, fmt.Sprintf("m%d", i))
	}
}

func TestEcho_OneByteAtATime(t *testing.T) {
	c := echo(t, Options{}).raw(t)
	for _, b := range masked(finText, strings.Repeat("slow", 50)) {
		c.put(t, []byte{b})
	}
	c.want(t, finText, strings.Repeat("slow", 50))
}

func TestEcho_FragmentsBecomeOneMessageWithPingsBetween(t *testing.T) {
	c := echo(t, Options{}).raw(t)
	c.put(t, masked(0x01, "one "), masked(finPing, "p"))
	c.want(t, finPong, "p")
	c.put(t, masked(0x00, "two \xc3"), masked(0x00, ""), masked(0x80, "\xa4"))
	c.want(t, finText, "one two ä")
	c.put(t, masked(finPing, "q"))
	c.want(t, finPong, "q")
}

func TestAccept_BytesSentBeforeTheAnswerAreRead(t *testing.T) {
	c := echo(t, Options{}).raw(t, masked(finText, "early")...)
	c.want(t, finText, "early")
}

func TestAccept_AnswersOnlyWithItsSubprotocol(t *testing.T) {
	c := echo(t, Options{}).raw(t)
	got := strings.Split(strings.TrimSpace(c.head), "\r\n")
	want := []string{
		"HTTP/1.1 101 Switching Protocols",
		"Connection: Upgrade",
		"Sec-Websocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=",
		"Sec-Websocket-Protocol: parley.v1",
		"Upgrade: websocket",
	}
	if diff := cmp.Diff(want[3:], got[3:]); diff != "" {
		t.Error(diff)
	}
}

func TestEcho_OverTLS(t *testing.T) {
	o := Options{Subprotocol: proto}
	done := make(chan ended, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c *Conn
		o.OnMessage = func(msg []byte) { c.Send(Prepare(msg)) }
		o.OnClose = func(code int, reason string) { done <- ended{code, reason} }
		c, _ = Accept(w, r, o)
		c.Start()
	}))
	defer srv.Close()
	conf := srv.Client().Transport.(*http.Transport).TLSClientConfig
	nc := must(tls.Dial("tcp", srv.Listener.Addr().String(), conf))(t)
	defer nc.Close()
	c := shake(t, nc, masked(finText, "early")...)
	c.want(t, finText, "early")
	c.put(t, masked(0x01, "a"), masked(finPing, ""), masked(0x80, strings.Repeat("b", 9000)))
	c.want(t, finPong, "")
	c.want(t, finText, "a"+strings.Repeat("b", 9000))
	c.put(t, masked(finClose, "\x03\xe8bye"))
	c.want(t, finClose, "\x03\xe8bye")
	if got := receive(t, done); got != (ended{1000, "bye"}) {
		t.Errorf("OnClose%v", got)
	}
}

func TestEcho_OverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := serveEachOn(t, must(net.Listen("unix", path))(t))
	nc := must(net.Dial("unix", path))(t)
	defer nc.Close()
	c := shake(t, nc)
	c.put(t, masked(finText, "hi"))
	c.want(t, finText, "hi")
	_ = nc.Close()
	r.wantEnd(t, 1006, "connection lost")
}

func serveEachOn(t *testing.T, l net.Listener) *room {
	t.Helper()
	o := Options{}
	conns := make(chan *Conn, 1)
	o.OnMessage = func(msg []byte) { c := <-conns; c.Send(Prepare(msg)); conns <- c }
	return serve(t, o, func(old net.Listener) net.Listener { _ = old.Close(); return l }, func(c *Conn) { conns <- c })
}

// layered is a middleware's writer that only unwraps.
type layered struct{ http.ResponseWriter }

func (l layered) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func TestAccept_WorksBehindMiddlewareThatUnwraps(t *testing.T) {
	o := Options{Subprotocol: proto}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(layered{layered{w}}, r, o)
		if err != nil {
			t.Error(err)
			return
		}
		c.Send(Prepare([]byte("hello")))
		c.Close(4500, "stop")
	}))
	defer srv.Close()
	c, _, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{Subprotocols: []string{proto}})
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := c.Read(t.Context())
	if string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	_, _, err = c.Read(context.Background())
	if websocket.CloseStatus(err) != 4500 {
		t.Fatalf("close: %v", err)
	}
}

func TestAccept_ConnectionLostDuringTheAnswerIsErrLost(t *testing.T) {
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	r := must(http.ReadRequest(bufio.NewReader(strings.NewReader(rawHandshake))))(t)
	_, err := Accept(&pipeWriter{nc: ours}, r, Options{Subprotocol: proto})
	wantErr(t, err, ErrLost)
	if _, err := ours.Write([]byte("x")); err == nil {
		t.Error("the connection was left open")
	}
	_ = r.Body.Close()
}

// pipeWriter is a ResponseWriter that can only be hijacked.
type pipeWriter struct {
	http.ResponseWriter
	nc net.Conn
}

func (p *pipeWriter) Header() http.Header { return http.Header{} }

func (p *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return p.nc, bufio.NewReadWriter(bufio.NewReader(p.nc), bufio.NewWriter(io.Discard)), nil
}
