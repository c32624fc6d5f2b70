// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// recorder is what the library writes to; each Write is sent as one item.
type recorder struct {
	net.Conn
	writes chan string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.writes <- string(p)
	return len(p), nil
}

// bare is a ResponseWriter that gives the recorder to the library, with buffers as Accept makes them.
type bare struct {
	*httptest.ResponseRecorder
	rec *recorder
}

func (b bare) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return b.rec, bufio.NewReadWriter(
		bufio.NewReaderSize(b.rec, readerSize), bufio.NewWriterSize(b.rec, writerSize)), nil
}

func TestLibrary_WritesEachControlFrameAtOnce(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	rec := &recorder{Conn: ours, writes: make(chan string, 10)}
	ws, err := websocket.Accept(bare{httptest.NewRecorder(), rec}, upgradeRequest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if _, _, err := ws.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	long := strings.Repeat("x", 125)
	must(theirs.Write(masked(finPing, long)))(t)
	if got := receive(t, rec.writes); got != "\x8a\x7d"+long {
		t.Errorf("pong written as %q", got)
	}
	must(theirs.Write(masked(finClose, "\x0f\xa0"+long[:123])))(t)
	if got := receive(t, rec.writes); got != "\x88\x7d\x0f\xa0"+long[:123] {
		t.Errorf("close written as %q", got)
	}
	if len(rec.writes) > 0 {
		t.Errorf("and then %q", <-rec.writes)
	}
}

func TestAccept_TheLibraryDoesNotPinTheClientsHeader(t *testing.T) {
	header := strings.Clone(proto) + ", ticket"
	a := &answer{header: http.Header{}, subprotocol: proto}
	a.header.Set("Sec-WebSocket-Protocol", header[:len(proto)])
	c := newConn(&recorder{writes: make(chan string, 1)}, Options{})
	a.wire = &c.wire
	if _, _, err := a.Hijack(); err != nil {
		t.Fatal(err)
	}
	if got := a.header.Get("Sec-WebSocket-Protocol"); got != proto {
		t.Errorf("selected %q", got)
	}
	if got := a.header["Sec-Websocket-Protocol"][0]; sameBytes(got, header) {
		t.Error("the selected subprotocol is a part of the client's header")
	}
}

func TestAccept_KeepsNothingOfTheRequest(t *testing.T) {
	var freed atomic.Int32
	conns := make(chan *Conn, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		runtime.AddCleanup(r, func(*atomic.Int32) { freed.Add(1) }, nil)
		c, err := Accept(w, r, Options{Subprotocol: proto})
		if err != nil {
			t.Error(err)
			return
		}
		c.Start()
		conns <- c
	}))
	defer srv.Close()
	r := room{addr: srv.Listener.Addr().String()}
	r.raw(t)
	conn := receive(t, conns)
	for end := time.Now().Add(5 * time.Second); freed.Load() == 0; runtime.GC() {
		if time.Now().After(end) {
			t.Fatal("the request is still reachable")
		}
	}
	runtime.KeepAlive(conn)
}
