// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gates is a listener whose connections note their writes after the handshake and can be held up in them.
type gates struct {
	net.Listener
	conns chan *gate
}

func (g *gates) Accept() (net.Conn, error) {
	nc, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &gate{Conn: nc, entered: make(chan struct{}, 1000), open: make(chan struct{})}
	g.conns <- c
	return c, nil
}

type gate struct {
	net.Conn
	entered chan struct{} // one for each Write that has begun
	open    chan struct{}
	mu      sync.Mutex
	writes  [][]byte
}

func (g *gate) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(p, []byte("HTTP/")) {
		g.mu.Lock()
		g.writes = append(g.writes, bytes.Clone(p))
		g.mu.Unlock()
		g.entered <- struct{}{}
		<-g.open
	}
	return g.Conn.Write(p)
}

func (g *gate) written() [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writes
}

// held serves one connection whose first write is held until the gate is opened.
func held(t *testing.T, o Options) (*room, *rawClient, *Conn, *gate) {
	t.Helper()
	g := &gates{conns: make(chan *gate, 1)}
	r := serve(t, o, func(l net.Listener) net.Listener { g.Listener = l; return g }, nil)
	c := r.raw(t)
	conn := receive(t, r.conns)
	door := receive(t, g.conns)
	if !conn.Send(Prepare([]byte("first"))) {
		t.Fatal("refused")
	}
	receive(t, door.entered)
	return r, c, conn, door
}

func TestSend_PendingFramesLeaveInOneWrite(t *testing.T) {
	_, c, conn, door := held(t, Options{})
	var want []byte
	for i := range 50 {
		p := Prepare([]byte(fmt.Sprintf("message %d", i)))
		want = append(want, p.frame...)
		conn.Send(p)
	}
	close(door.open)
	c.want(t, finText, "first")
	for i := range 50 {
		c.want(t, finText, fmt.Sprintf("message %d", i))
	}
	writes := door.written()
	if len(writes) != 2 || !bytes.Equal(writes[1], want) {
		t.Errorf("51 frames took %d writes", len(writes))
	}
}

func TestSend_TheWriterEndsWhenNothingIsPending(t *testing.T) {
	_, c, conn, door := held(t, Options{})
	close(door.open)
	c.want(t, finText, "first")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		conn.mu.Lock()
		writing, holders := conn.writing, conn.holders
		conn.mu.Unlock()
		if !writing && holders == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("writing %v, %d holders", writing, holders)
		}
	}
	conn.Send(Prepare([]byte("second")))
	c.want(t, finText, "second")
}

func TestSend_TheZeroPreparedIsRefused(t *testing.T) {
	r := serve(t, Options{}, nil, nil)
	c := r.raw(t)
	conn := receive(t, r.conns)
	if conn.Send(Prepared{}) {
		t.Error("accepted")
	}
	conn.Send(Prepare([]byte("x")))
	c.want(t, finText, "x")
}

func TestOverflow_DiscardsWhatIsPendingAndTellsOnce(t *testing.T) {
	for _, o := range []Options{{QueueFrames: 3}, {QueueBytes: 3 * 7}} {
		var told atomic.Int32
		begin, done := make(chan struct{}), make(chan bool)
		conns := make(chan *Conn, 1)
		o.OnOverflow = func() {
			told.Add(1)
			<-begin
			done <- (<-conns).Send(Prepare([]byte("resync")))
		}
		r, c, conn, door := held(t, o)
		conns <- conn
		for range 3 {
			if !conn.Send(Prepare([]byte("lost "))) {
				t.Fatal("refused within the bound")
			}
		}
		if conn.Send(Prepare([]byte("drop "))) {
			t.Fatal("accepted beyond the bound")
		}
		close(begin)
		if !receive(t, done) {
			t.Fatal("refused within OnOverflow")
		}
		close(door.open)
		c.want(t, finText, "first")
		c.want(t, finText, "resync")
		conn.Close(4100, "")
		c.wantClose(t, 4100)
		_ = c.Close()
		r.wantEnd(t, 4100, "")
		if told.Load() != 1 {
			t.Errorf("told %d times", told.Load())
		}
	}
}

func TestOverflow_SendIsRefusedUntilItIsTold(t *testing.T) {
	c := newConn(nil, Options{QueueFrames: 1}.withDefaults())
	c.writing, c.telling = true, true // Neither the writer nor the teller gets to run.
	if !c.Send(Prepare([]byte("a"))) || c.Send(Prepare([]byte("b"))) || c.Send(Prepare([]byte("c"))) {
		t.Fatal("want one frame accepted, one overflow and a refusal")
	}
	if c.queue.frames != nil || c.queue.size != 0 {
		t.Error("pending frames were kept")
	}
	if !c.takeOverflow() || !c.Send(Prepare([]byte("d"))) {
		t.Error("refused after the overflow was taken up")
	}
	if c.takeOverflow() {
		t.Error("one overflow was told twice")
	}
}

func TestSlowReader_NeverBlocksSendAndIsDroppedAfterTheWriteTimeout(t *testing.T) {
	overflows := make(chan struct{}, 1)
	o := Options{WriteTimeout: 100 * time.Millisecond, QueueBytes: 1 << 20}
	o.OnOverflow = func() {
		select {
		case overflows <- struct{}{}:
		default:
		}
	}
	r := serve(t, o, nil, nil)
	r.raw(t) // It never reads.
	conn := receive(t, r.conns)
	p := Prepare(bytes.Repeat([]byte("x"), 60<<10))
	for !conn.ending() {
		if began := time.Now(); !conn.Send(p) && time.Since(began) > time.Second {
			t.Fatal("Send blocked")
		}
		runtime.Gosched()
	}
	receive(t, overflows)
	r.wantEnd(t, 1006, "write failed")
	if conn.Send(p) {
		t.Error("accepted after the end")
	}
}

func TestClose_OfASlowReaderIsBoundedByTheWriteTimeout(t *testing.T) {
	r := serve(t, Options{WriteTimeout: 100 * time.Millisecond, QueueBytes: 64 << 20}, nil, nil)
	r.raw(t)
	conn := receive(t, r.conns)
	p := Prepare(bytes.Repeat([]byte("x"), 1<<20))
	for range 20 {
		conn.Send(p)
	}
	began := time.Now()
	conn.Close(4000, "restart")
	r.wantEnd(t, 4000, "restart")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestFrames_NeverInterleave(t *testing.T) {
	r := serve(t, Options{PingEvery: time.Millisecond, QueueFrames: 1 << 20, QueueBytes: 1 << 30}, nil, nil)
	c := r.raw(t)
	conn := receive(t, r.conns)
	const writers, each, pings = 4, 200, 300
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				conn.Send(Prepare([]byte(strings.Repeat(string(rune('a'+w)), 1+i*37%9000))))
			}
		})
	}
	all.Go(func() {
		for i := range pings {
			c.put(t, masked(finPing, strings.Repeat(string(rune('A'+i%26)), 125)))
		}
		c.put(t, masked(finText, "done"))
	})
	seen, pongs := map[byte]int{}, 0
	for seen['a']+seen['b']+seen['c']+seen['d'] < writers*each || pongs == 0 {
		first, body, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		if body != strings.Repeat(body[:min(1, len(body))], len(body)) {
			t.Fatalf("a mixed frame: %.200q", body)
		}
		switch first {
		case finText:
			w := body[0]
			if want := 1 + seen[w]*37%9000; len(body) != want {
				t.Fatalf("frame of %q has %d bytes, want %d", w, len(body), want)
			}
			seen[w]++
		case finPong:
			pongs++
		case finPing:
		default:
			t.Fatalf("frame %#x", first)
		}
	}
	all.Wait()
}
