// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// errIdle is returned to the library instead of blocking when the stream stands between two messages. It leaves the
// library's state as it was, so that the read can be repeated by another goroutine.
var errIdle = errors.New("nothing to read")

const blockSize = 4 << 10

type block [blockSize]byte

// blocks are the read buffers of all connections. A pool is no state: it only saves allocations.
var blocks = sync.Pool{New: func() any { return new(block) }}

// wire is the net.Conn below the library. It reads through a borrowed block and turns what the library writes into
// pending control frames of the connection.
//
// Read and what it uses belong to the reading goroutine; Write and Close may come from any.
type wire struct {
	net.Conn
	conn *Conn

	raw  syscall.RawConn    // nil if the socket cannot be waited on without a buffer
	fill func(uintptr) bool // fillFrom, kept to be allocated once
	err  error              // the end of the stream, once buf is drained

	buf      *block // nil while nothing is buffered
	from, to int
	edge     edge
}

func (w *wire) init(nc net.Conn, c *Conn) {
	w.Conn, w.conn = nc, c
	w.raw = readiness(nc)
	w.fill = w.fillFrom
}

// preload takes over the bytes that came with the handshake.
func (w *wire) preload(early *bufio.Reader) error {
	n := early.Buffered()
	if n == 0 {
		return nil
	}
	if n > blockSize {
		return fmt.Errorf("%d bytes sent before the answer", n)
	}
	w.buf = blocks.Get().(*block)
	w.to, _ = io.ReadFull(early, w.buf[:n])
	return nil
}

// ready reports whether the library may be asked to read: it will find something, or has to block in Read.
func (w *wire) ready() bool { return w.to > 0 || w.err != nil || w.raw == nil }

// wait parks until something is buffered or the stream has ended. Without raw it returns at once.
func (w *wire) wait() {
	if w.ready() {
		return
	}
	if err := w.raw.Read(w.fill); err != nil {
		w.err = err
	}
}

// Read implements net.Conn. It never hands over bytes of two frames at once, so that the library's own buffer is empty
// whenever the stream is at rest.
func (w *wire) Read(p []byte) (int, error) {
	if w.to == 0 && w.err == nil && w.raw != nil {
		if w.edge.atRest() {
			return 0, errIdle
		}
		w.wait()
	}
	p = p[:min(len(p), w.edge.room())]
	n, err := w.next(p)
	w.edge.pass(p[:n])
	return n, err
}

func (w *wire) next(p []byte) (int, error) {
	switch {
	case w.to > 0:
		n := copy(p, w.buf[w.from:w.to])
		if w.from += n; w.from == w.to {
			w.giveBack()
		}
		return n, nil
	case w.err != nil:
		return 0, w.err
	default:
		n, err := w.Conn.Read(p)
		w.note(n, err)
		return n, err
	}
}

func (w *wire) giveBack() {
	if w.buf != nil {
		blocks.Put(w.buf)
	}
	w.buf, w.from, w.to = nil, 0, 0
}

func (w *wire) note(n int, err error) {
	if n > 0 {
		w.conn.heardNow()
	}
	if err != nil {
		w.err = err
	}
}

// drain discards what still comes until the stream ends. The close frame just sent would be lost if the socket were
// closed over unread bytes.
func (w *wire) drain() {
	w.giveBack()
	scrap := blocks.Get().(*block)
	defer blocks.Put(scrap)
	for w.err == nil {
		n, err := w.Conn.Read(scrap[:])
		w.note(n, err)
	}
}

// Write implements net.Conn for the library, which writes control frames only, each at once. It never blocks.
func (w *wire) Write(p []byte) (int, error) {
	w.conn.control(p)
	return len(p), nil
}

// Close implements net.Conn for the library. It ends reading; the connection closes the socket when the close frame is
// out.
func (w *wire) Close() error {
	return w.Conn.SetReadDeadline(time.Unix(1, 0))
}
