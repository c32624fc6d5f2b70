// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	// readerSize is the least bufio allows. The wire hands over at most one frame at a time, so nothing more is
	// gained by a larger one.
	readerSize = 16
	// writerSize holds the largest control frame, 127 bytes, so that each reaches the wire as one Write.
	writerSize = 128
)

// Accept upgrades the request to a WebSocket connection. The handler that calls it should return at once: the
// connection lives on goroutines of its own and keeps nothing of the request. Reading begins with [Conn.Start];
// [Conn.Send] and [Conn.Close] work before it.
//
// It returns [ErrNotWebSocket], [ErrOrigin], [ErrSubprotocol] or an error of the Hijack, such as
// http.ErrNotSupported, before anything was written to w, and [ErrLost] when the connection is beyond an answer.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	if err := check(w, r, &o); err != nil {
		return nil, err
	}
	nc, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("hijack: %w", err)
	}
	c := newConn(nc, o.withDefaults())
	if err := c.upgrade(r, brw.Reader); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	c.startTimer()
	return c, nil
}

// upgrade takes over what the client sent early and lets the library answer the handshake on the wire.
func (c *Conn) upgrade(r *http.Request, early *bufio.Reader) error {
	if err := c.wire.Conn.SetDeadline(time.Now().Add(c.o.WriteTimeout)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if err := c.wire.preload(early); err != nil {
		return fmt.Errorf("take over buffered bytes: %w", err)
	}
	ws, err := websocket.Accept(&answer{header: http.Header{}, wire: &c.wire, subprotocol: c.o.Subprotocol}, r,
		&websocket.AcceptOptions{
			Subprotocols:       []string{c.o.Subprotocol},
			InsecureSkipVerify: true, // check has verified the origin before the connection was taken over.
			CompressionMode:    websocket.CompressionDisabled,
		})
	if err != nil {
		return fmt.Errorf("answer the handshake: %w", err)
	}
	ws.SetReadLimit(-1) // readMessage enforces the limit, so that OnTooLarge comes before the close frame.
	c.ws = ws
	return c.wire.Conn.SetDeadline(time.Time{})
}

// answer is the ResponseWriter the library sees. Its Hijack writes the 101 and hands over the wire with small buffers.
type answer struct {
	header      http.Header
	wire        *wire
	subprotocol string
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter; the status line is written by Hijack.
func (a *answer) WriteHeader(int) {}

// Write implements http.ResponseWriter; the library's error pages have no reader any more.
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }

// Hijack implements http.Hijacker.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.subprotocol != "" {
		// The library keeps this string for the connection's life. The client's own spelling would pin its header,
		// and with it whatever secret it carries.
		a.header.Set("Sec-WebSocket-Protocol", a.subprotocol)
	}
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if err := a.header.Write(&b); err != nil {
		return nil, nil, err
	}
	b.WriteString("\r\n")
	if _, err := a.wire.Conn.Write([]byte(b.String())); err != nil {
		return nil, nil, err
	}
	brw := bufio.NewReadWriter(bufio.NewReaderSize(a.wire, readerSize), bufio.NewWriterSize(a.wire, writerSize))
	return a.wire, brw, nil
}
