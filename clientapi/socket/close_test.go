// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestClose_FlushesWhatIsPendingAndReportsItsCode(t *testing.T) {
	for _, code := range []int{1000, 1001, 4000, 4099, 4100, 4199, 4500, 4599} {
		r := serve(t, Options{}, nil, nil)
		c := r.raw(t)
		conn := receive(t, r.conns)
		for i := range 20 {
			if !conn.Send(Prepare([]byte(fmt.Sprint(i)))) {
				t.Fatal("refused")
			}
		}
		conn.Close(code, "because")
		conn.Close(4501, "second")
		if conn.Send(Prepare([]byte("late"))) {
			t.Error("accepted after Close")
		}
		for i := range 20 {
			c.want(t, finText, fmt.Sprint(i))
		}
		c.want(t, finClose, string([]byte{byte(code >> 8), byte(code)})+"because")
		c.put(t, masked(finText, "ignored"), masked(finPing, "ignored"), masked(finClose, "\x03\xe8"))
		c.wantEOF(t)
		r.wantEnd(t, code, "because")
	}
}

func TestClose_BeforeStartSendsAndEnds(t *testing.T) {
	r := serve(t, Options{OnMessage: func([]byte) { panic("a message after Close") }}, nil, func(c *Conn) {
		c.Send(Prepare([]byte("sorry")))
		c.Close(4503, "full")
	})
	c := r.raw(t, masked(finText, "hello")...)
	c.want(t, finText, "sorry")
	c.wantClose(t, 4503)
	c.put(t, masked(finClose, "\x11\x97"))
	c.wantEOF(t)
	r.wantEnd(t, 4503, "full")
}

func TestClose_FromWithinOnMessage(t *testing.T) {
	var after bool
	r := serveEach(t, Options{}, func(c *Conn, msg []byte) {
		if after {
			t.Errorf("message %q after Close", msg)
		}
		after = true
		c.Send(Prepare([]byte("last")))
		c.Close(4500, "stop")
	})
	c := r.raw(t)
	c.put(t, masked(finText, "1"), masked(finText, "2"), masked(0x01, "3"))
	c.want(t, finText, "last")
	c.wantClose(t, 4500)
	_ = c.Close()
	r.wantEnd(t, 4500, "stop")
}

func TestClose_IsNotHeldUpByAPeerThatDoesNotAnswer(t *testing.T) {
	r := serve(t, Options{WriteTimeout: 50 * time.Millisecond}, nil, nil)
	c := r.raw(t)
	receive(t, r.conns).Close(4001, "restart")
	c.wantClose(t, 4001)
	c.wantEOF(t)
	r.wantEnd(t, 4001, "restart")
}

func TestClose_ByManyAtOnceHappensOnce(t *testing.T) {
	r := serve(t, Options{}, nil, nil)
	c := r.raw(t)
	conn := receive(t, r.conns)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { conn.Close(4000+i, "") })
	}
	all.Wait()
	_, _, err := c.frame()
	if err != nil {
		t.Fatal(err)
	}
	c.put(t, masked(finClose, ""))
	c.wantEOF(t)
	receive(t, r.ends)
	select {
	case again := <-r.ends:
		t.Errorf("OnClose twice: %v", again)
	case <-time.After(20 * time.Millisecond):
	}
}

func TestPeerCloses_WithCodeWithoutCodeAndNotAtAll(t *testing.T) {
	cases := []struct {
		name string
		last []byte
		code int
	}{
		{"with code", masked(finClose, "\x0f\xa5bye"), 4005},
		{"without code", masked(finClose, ""), 1005},
		{"not at all", nil, 1006},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := echo(t, Options{})
			raw := r.raw(t)
			raw.put(t, masked(finText, "hi"))
			raw.want(t, finText, "hi")
			if c.last == nil {
				_ = raw.Close()
			} else {
				raw.put(t, c.last)
				raw.wantClose(t, c.code)
				raw.wantEOF(t)
			}
			r.wantEnd(t, c.code, "")
		})
	}
}

func TestPeerCloses_AnswersToItsMessagesStillGoOut(t *testing.T) {
	c := echo(t, Options{}).raw(t)
	c.put(t, bytes.Join([][]byte{masked(finText, "a"), masked(finText, "b"), masked(finClose, "\x03\xe8")}, nil))
	c.want(t, finText, "a")
	c.want(t, finText, "b")
	c.want(t, finClose, "\x03\xe8")
	c.wantEOF(t)
}

func TestViolations_CloseWithTheirCode(t *testing.T) {
	cases := []struct {
		name  string
		bytes []byte
		code  int
	}{
		{"unmasked frame", []byte("\x81\x02hi"), 1002},
		{"reserved bit", masked(0xC1, "x"), 1002},
		{"unknown opcode", masked(0x83, "x"), 1002},
		{"continuation of nothing", masked(0x80, "x"), 1002},
		{"message within a message", append(masked(0x01, "x"), masked(finText, "y")...), 1002},
		{"long ping", masked(finPing, strings.Repeat("x", 126)), 1002},
		{"fragmented ping", masked(0x09, "x"), 1002},
		{"close with half a code", masked(finClose, "\x03"), 1002},
		{"close with a reserved code", masked(finClose, "\x03\xed"), 1002},
		{"negative length", []byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"), 1002},
		{"binary message", masked(0x82, "x"), 1003},
		{"broken UTF-8", masked(finText, "\xc3\x28"), 1007},
		{"UTF-8 cut off", append(masked(0x01, "\xe2\x82"), masked(0x80, "")...), 1007},
		{"too large", masked(finText, strings.Repeat("x", 1001)), 1009},
		{"too large in parts", append(masked(0x01, strings.Repeat("x", 600)), masked(0x80, strings.Repeat("x", 600))...), 1009},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, Options{ReadLimit: 1000, OnMessage: func(m []byte) { t.Errorf("message %q", m) }}, nil, nil)
			raw := r.raw(t)
			raw.put(t, c.bytes, masked(finText, "more"))
			raw.wantClose(t, c.code)
			_ = raw.Close()
			r.wantEnd(t, c.code, "")
		})
	}
}

func TestReadLimit_AMessageOfExactlyTheLimitPasses(t *testing.T) {
	c := echo(t, Options{ReadLimit: 1000}).raw(t)
	msg := strings.Repeat("x", 1000)
	c.put(t, masked(finText, msg), masked(0x01, msg[:600]), masked(0x80, msg[600:]))
	c.want(t, finText, msg)
	c.want(t, finText, msg)
}

func TestTooLarge_TheSessionSpeaksBeforeTheCloseFrame(t *testing.T) {
	conns := make(chan *Conn, 1)
	o := Options{ReadLimit: 10, OnTooLarge: func() { c := <-conns; c.Send(Prepare([]byte("error"))) }}
	r := serve(t, o, nil, func(c *Conn) { conns <- c })
	c := r.dial(t)
	if err := c.Write(t.Context(), websocket.MessageText, bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	_, got, err := c.Read(t.Context())
	if err != nil || string(got) != "error" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, _, err = c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Fatalf("close: %v", err)
	}
	r.wantEnd(t, 1009, "message too large")
}
