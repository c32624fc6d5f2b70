// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/coder/websocket"
)

var errTooLarge = errors.New("message too large")

// park is the small half of the reader. The stack a message needs grows on the goroutine of pump and goes with it.
func (c *Conn) park() {
	c.wire.wait()
	go c.pump()
}

// pump is the deep half of the reader: it reads messages until the socket is empty at the end of one.
func (c *Conn) pump() {
	for c.wire.ready() {
		err := c.readMessage()
		if errors.Is(err, errIdle) {
			break
		}
		if err != nil {
			c.endRead(err)
			return
		}
	}
	go c.park()
}

// readMessage reads one message and hands it over. It returns an error if the stream cannot be read any further.
func (c *Conn) readMessage() error {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return err
	}
	text := kind == websocket.MessageText
	if !text && c.o.OnUnreadable == nil {
		c.Close(codeBinary, "only text messages are understood")
	}
	if c.ending() {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	buf := blocks.Get().(*block)
	defer blocks.Put(buf)
	msg, err := readAll(r, buf[:0], c.o.ReadLimit)
	switch {
	case errors.Is(err, errTooLarge):
		c.handle(c.o.OnTooLarge)
		c.Close(codeTooLarge, "message too large")
		_, err := io.Copy(io.Discard, r)
		return err
	case err != nil:
		return err
	case !text:
		c.handle(c.o.OnUnreadable)
	case !utf8.Valid(msg):
		if c.o.OnUnreadable != nil {
			c.handle(c.o.OnUnreadable)
		}
		c.Close(codeNotUTF8, "text is not UTF-8")
	default:
		c.handle(func() { c.o.OnMessage(msg) })
	}
	return nil
}

// handle runs a callback. The peer's silence does not count meanwhile, since nothing is read.
func (c *Conn) handle(callback func()) {
	c.handling.Store(true)
	callback()
	c.heardNow()
	c.handling.Store(false)
}

// readAll reads r to its end into buf, or another slice if it does not fit.
func readAll(r io.Reader, buf []byte, limit int64) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// endRead ends the reader after the stream has failed, was closed by the peer, or broke the protocol.
func (c *Conn) endRead(err error) {
	defer c.release()
	if c.wire.err != nil {
		c.fail("connection lost")
		return
	}
	if websocket.CloseStatus(err) >= 0 {
		return // The library has queued the answer; the writer ends the connection.
	}
	// The library reports most violations with a close frame of its own, which then stands.
	c.Close(codeProtocolError, "protocol error")
	c.wire.drain()
}
