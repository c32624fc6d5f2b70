// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Conn is one WebSocket connection, made by [Accept]. Its methods are safe for concurrent use and never block.
type Conn struct {
	o    Options
	ws   *websocket.Conn
	wire wire

	born     time.Time
	heard    atomic.Int64 // when the last bytes came, in nanoseconds after born
	handling atomic.Bool  // a callback of the reader runs, so nothing is read

	mu       sync.Mutex // guards what follows
	queue    queue
	timer    *time.Timer
	nextPing time.Duration // after born
	flushBy  time.Time     // end of the flush before the close frame
	holders  int           // goroutines that may still use the connection; the reader counts from the beginning
	code     int
	reason   string

	started    bool // the reader runs
	writing    bool // the writer runs
	overflowed bool // OnOverflow has to be called
	telling    bool // OnOverflow is being called
	closing    bool // code and reason stand; no more Send
	dead       bool // the socket is closed
	gone       bool // torn down

	drained chan struct{} // closed when nothing is pending; nil if nobody waits
}

func newConn(nc net.Conn, o Options) *Conn {
	o.OriginPatterns = nil
	c := &Conn{o: o, born: time.Now(), holders: 1}
	c.wire.init(nc, c)
	return c
}

// Start begins reading. Only the first call has an effect.
func (c *Conn) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start()
}

func (c *Conn) start() {
	if !c.started {
		c.started = true
		go c.park()
	}
}

// Send appends p to the pending frames and reports whether it will be written unless the connection ends first. It
// returns false if the connection is closing, or if a bound of the queue was hit: then all pending frames, p included,
// are discarded, and false is returned to everyone until OnOverflow is called.
func (c *Conn) Send(p Prepared) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.overflowed || len(p.frame) == 0 {
		return false
	}
	if c.queue.push(p.frame, c.o.QueueFrames, c.o.QueueBytes) {
		c.write()
		return true
	}
	c.queue.discard()
	c.overflowed = true
	if !c.telling {
		c.telling = true
		c.holders++
		go c.tellOverflow()
	}
	return false
}

func (c *Conn) tellOverflow() {
	defer c.release()
	for c.takeOverflow() {
		c.o.OnOverflow()
	}
}

func (c *Conn) takeOverflow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.telling = c.overflowed
	c.overflowed = false
	return c.telling
}

// Close writes the pending frames, for WriteTimeout at most, and then a close frame, and ends the connection when the
// peer has answered or WriteTimeout later. Only the first call has an effect. A reason is cut to 123 bytes; a code
// that may not be sent becomes 1011.
func (c *Conn) Close(code int, reason string) {
	c.closeWith(closeFrame(code, reason))
}

// closeWith begins the close whose frame is given. Who comes first decides code and reason.
func (c *Conn) closeWith(frame []byte) {
	code, reason := parseClose(frame)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.settle(code, reason) {
		return
	}
	c.queue.bye = frame
	c.flushBy = time.Now().Add(c.o.WriteTimeout)
	c.timer.Reset(2 * c.o.WriteTimeout)
	c.write()
	c.start()
}

// fail ends the connection without a close frame.
func (c *Conn) fail(reason string) {
	c.mu.Lock()
	c.settle(codeLost, reason)
	c.dead = true
	c.queue = queue{}
	c.start()
	c.mu.Unlock()
	_ = c.wire.Conn.Close()
}

// Drain waits until nothing is pending, and reports whether the connection still takes frames then. It is for producers that
// can wait: Send refuses what the queue cannot hold.
func (c *Conn) Drain(ctx context.Context) bool {
	c.mu.Lock()
	if !c.writing || c.closing {
		defer c.mu.Unlock()
		return !c.closing
	}
	if c.drained == nil {
		c.drained = make(chan struct{})
	}
	drained := c.drained
	c.mu.Unlock()
	select {
	case <-drained:
		return !c.ending()
	case <-ctx.Done():
		return false
	}
}

// wake ends every Drain. It is called under mu.
func (c *Conn) wake() {
	if c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
}

// settle notes why the connection ends, unless that stands already. It is called under mu.
func (c *Conn) settle(code int, reason string) bool {
	if c.closing {
		return false
	}
	c.closing, c.code, c.reason = true, code, reason
	c.wake()
	return true
}

// ending reports whether messages of the peer have no reader any more.
func (c *Conn) ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// release is the last act of a goroutine of the connection. The last of them tears down.
func (c *Conn) release() {
	c.mu.Lock()
	c.holders--
	c.gone = c.holders == 0
	gone := c.gone
	c.mu.Unlock()
	if gone {
		c.tearDown()
	}
}

func (c *Conn) tearDown() {
	c.timer.Stop()
	_ = c.wire.Conn.Close()
	c.wire.giveBack()
	_ = c.ws.CloseNow()
	c.o.OnClose(c.code, c.reason)
}
