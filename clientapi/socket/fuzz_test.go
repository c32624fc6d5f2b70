// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// connect joins a raw client and a connection over TCP without an HTTP server.
func connect(t testing.TB, l net.Listener, o Options) (*net.TCPConn, *Conn) {
	t.Helper()
	theirs := must(net.Dial("tcp", l.Addr().String()))(t)
	ours := must(l.Accept())(t)
	_ = theirs.SetDeadline(time.Now().Add(10 * time.Second))
	return theirs.(*net.TCPConn), must(Accept(&pipeWriter{nc: ours}, upgradeRequest(), o))(t)
}

// FuzzConn gives a whole connection arbitrary bytes in two pieces and a half-close. The connection must answer with
// well-formed frames, end, and hand over nothing but valid messages.
func FuzzConn(f *testing.F) {
	for _, s := range [][][]byte{
		{masked(finText, "hello"), masked(finClose, "\x03\xe8")},
		{masked(0x01, "he"), masked(finPing, "p"), masked(0x80, "llo"), masked(finPong, "")},
		{masked(finText, strings.Repeat("x", 300)), masked(0x82, "bin")},
		{masked(finText, strings.Repeat("y", 3000))},
		{masked(finText, "\xff"), []byte("\x81\x01a")},
		{[]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")},
		{[]byte("\xc1\x80\x00\x00\x00\x00"), masked(0x00, ""), masked(finClose, "")},
	} {
		f.Add(bytes.Join(s, nil), uint16(7))
	}
	l := must(net.Listen("tcp", "127.0.0.1:0"))(f)
	f.Cleanup(func() { _ = l.Close() })
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		ends := make(chan ended, 2)
		var conn *Conn
		o := Options{ReadLimit: 1000, WriteTimeout: 5 * time.Second}
		o.OnMessage = func(m []byte) {
			if !utf8.Valid(m) || len(m) > 1000 {
				t.Errorf("message %q", m)
			}
			conn.Send(Prepare(m))
		}
		o.OnClose = func(code int, reason string) { ends <- ended{code, reason} }
		nc, c := connect(t, l, o)
		defer nc.Close()
		conn = c
		conn.Start()
		go func() {
			at := min(int(cut), len(stream))
			_, _ = nc.Write(stream[:at])
			_, _ = nc.Write(stream[at:])
			_ = nc.CloseWrite()
		}()
		wellFormed(t, readAnswer(t, nc))
		if end := receive(t, ends); end.code != codeNone && end.code != codeLost && !sendable(end.code) {
			t.Errorf("OnClose%v", end)
		}
	})
}

// wellFormed reads frames to the end of the stream, which may come at any place unless a close frame was seen.
func wellFormed(t *testing.T, c *rawClient) {
	t.Helper()
	closed := false
	for {
		first, body, err := c.frame()
		switch {
		case err != nil:
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatal("the connection was not closed")
			}
			return
		case closed:
			t.Fatalf("frame %#x after the close frame", first)
		case first == finClose:
			closed = true
			if len(body) == 1 || len(body) > 125 {
				t.Fatalf("close frame of %d bytes", len(body))
			}
		case first == finText && utf8.ValidString(body):
		case (first == finPong || first == finPing) && len(body) <= 125:
		default:
			t.Fatalf("frame %#x %q", first, body)
		}
	}
}
